"""Domains and their records on the wire."""

from pydantic import BaseModel

from rehearsal.api.schemas import Body
from rehearsal.state import domains
from rehearsal.topology import zones


class DomainCreate(Body):
    name: str
    ip_address: str = ""


class RecordUpdate(Body):
    """Any part of a record. What is absent stays as it is; clients send zeros for what the type does not have."""

    type: domains.RecordType | None = None
    name: str = ""
    data: str = ""
    ttl: int | None = None
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    flags: int | None = None
    tag: str = ""


class RecordCreate(RecordUpdate):
    type: domains.RecordType


class Domain(BaseModel):
    name: str
    ttl: int
    zone_file: str | None

    @classmethod
    def from_record(cls, domain: domains.Domain, own: list[domains.DomainRecord]) -> "Domain":
        ttl = next(record.ttl for record in own if record.type == "SOA")
        return cls(name=domain.id, ttl=ttl, zone_file=zones.build_zone_file(domain, own))


class DomainRecord(BaseModel):
    id: int
    type: str
    name: str
    data: str
    priority: int | None
    port: int | None
    ttl: int
    weight: int | None
    flags: int | None
    tag: str | None

    @classmethod
    def from_record(cls, record: domains.DomainRecord) -> "DomainRecord":
        return cls(**record.model_dump(exclude={"domain"}))
