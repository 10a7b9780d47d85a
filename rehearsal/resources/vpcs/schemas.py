"""Request and response bodies of VPCs."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from rehearsal.api.schemas import Body
from rehearsal.state import records

Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9\-.]+$")]
Description = Annotated[str, StringConstraints(max_length=255)]


class VpcCreate(Body):
    name: Name
    region: str
    description: Description = ""
    ip_range: str = ""


class VpcReplace(Body):
    name: Name
    description: Description = ""
    default: bool = False


class VpcUpdate(Body):
    name: Name | None = None
    description: Description | None = None
    default: bool = False


class Vpc(BaseModel):
    id: str
    urn: str
    name: str
    description: str
    region: str
    ip_range: str
    default: bool
    created_at: str

    @classmethod
    def from_record(cls, vpc: records.Vpc) -> "Vpc":
        return cls(
            id=vpc.id,
            urn=vpc.urn,
            name=vpc.name,
            description=vpc.description,
            region=vpc.region,
            ip_range=str(vpc.ip_range),
            default=vpc.is_default,
            created_at=vpc.created_at,
        )


class Member(BaseModel):
    urn: str
    name: str
    created_at: str

    @classmethod
    def from_record(cls, member: records.Droplet | records.LoadBalancer) -> "Member":
        return cls(urn=member.urn, name=member.name, created_at=member.created_at)
