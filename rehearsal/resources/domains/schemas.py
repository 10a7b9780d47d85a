"""Request and response bodies of domains and their records."""

from pydantic import BaseModel

from rehearsal.api.schemas import Body
from rehearsal.state import domains
from rehearsal.topology import zones


class DomainCreate(Body):
    name: str
    ip_address: str = ""


class RecordUpdate(Body):
    """Changed fields of a record. Clients send zeros for fields that the type does not have."""

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
    def from_record(cls, domain: domains.Domain, records: list[domains.DomainRecord]) -> "Domain":
        ttl = next(record.ttl for record in records if record.type == "SOA")
        return cls(name=domain.id, ttl=ttl, zone_file=zones.build_zone_file(domain, records))


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
