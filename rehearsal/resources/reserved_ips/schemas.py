"""Request and response bodies of reserved IPs."""

from typing import Literal

from pydantic import BaseModel

from rehearsal.api import schemas
from rehearsal.api.droplet_schemas import Droplet
from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.state import records


class ReservedIpCreate(schemas.Body):
    """The body of a creation, for a droplet or a region. The droplet takes precedence."""

    droplet_id: int | None = None
    region: str = ""
    project_id: str = ""


class ReservedIpActionCreate(schemas.Body):
    type: Literal["assign", "unassign"]
    droplet_id: int | None = None


class ReservedIp(BaseModel):
    ip: str
    region: Region
    droplet: Droplet | None
    locked: bool
    project_id: str

    @classmethod
    def from_record(
        cls, address: records.ReservedIp, droplet: Droplet | None, project_id: str
    ) -> "ReservedIp":
        return cls(
            ip=address.id,
            region=REGIONS[address.region],
            droplet=droplet,
            locked=address.pending_action_id is not None,
            project_id=project_id,
        )


class ReservedIpAction(schemas.Action):
    """An action in responses below /v2/reserved_ips."""

    project_id: str
