"""Records of domains and of their DNS records."""

import time
from typing import Any, ClassVar, Literal

from rehearsal.state.store import Record, Store

FIRST_RECORD_ID = 1_700_000_001

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT"]


class Domain(Record):
    """A domain; the id is its name in lower case. Its TTL is in its SOA record."""

    kind: ClassVar[str] = "domain"
    id: str
    serial: int
    """The zone's serial number, which increases with each change."""

    @property
    def urn(self) -> str:
        return f"do:domain:{self.id}"


class DomainRecord(Record):
    kind: ClassVar[str] = "domain_record"
    id: int
    domain: str
    type: RecordType
    name: str
    """Relative to the domain; ``@`` is the domain itself."""
    data: str
    """As in API responses: host names have no final dot, and ``@`` is the domain."""
    ttl: int
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    flags: int | None = None
    tag: str | None = None


def list_records(store: Store, domain: Domain) -> list[DomainRecord]:
    return [record for record in store.all(DomainRecord) if record.domain == domain.id]


def add_record(
    store: Store, domain: Domain, type: RecordType, fields: dict[str, Any]
) -> DomainRecord:
    """Add a record without a new serial number; call in a transaction."""
    id = store.next_id("domain_record", FIRST_RECORD_ID)
    record = DomainRecord(id=id, domain=domain.id, type=type, **fields)
    store.put(record)
    return record


def increase_serial(store: Store, domain: Domain) -> None:
    """Give the zone a new serial number; call in a transaction."""
    current = store.get(Domain, domain.id) or domain
    serial = max(int(time.time()), current.serial + 1)
    store.put(current.model_copy(update={"serial": serial}))
