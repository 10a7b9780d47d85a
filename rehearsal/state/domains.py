"""Domains and their records, as the store keeps them."""

from typing import ClassVar, Literal

from rehearsal.state.store import Record


class Domain(Record):
    """Its id is the name, in lower case. What it holds is in its records, its SOA's TTL among them."""

    kind: ClassVar[str] = "domain"
    id: str
    serial: int
    """Grows with every change, as a zone's must."""

    @property
    def urn(self) -> str:
        return f"do:domain:{self.id}"


RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT"]


class DomainRecord(Record):
    kind: ClassVar[str] = "domain_record"
    id: int
    domain: str
    type: RecordType
    name: str
    """Relative to the domain; ``@`` is the domain itself."""
    data: str
    """As clients read it: host names have no dot at their end, and ``@`` is the domain."""
    ttl: int
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    flags: int | None = None
    tag: str | None = None
