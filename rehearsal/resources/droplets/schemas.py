"""Request bodies of droplets."""

from pydantic import Field

from rehearsal.api.schemas import BackupPolicy, Body


class VolumeReference(Body):
    id: str = ""


class DropletCreate(Body):
    name: str = ""
    names: list[str] = Field(default_factory=list)
    region: str = ""
    size: str
    image: int | str
    ssh_keys: list[int | str] = Field(default_factory=list)
    backups: bool = False
    backup_policy: BackupPolicy | None = None
    ipv6: bool = False
    monitoring: bool = False
    public_networking: bool = True
    with_droplet_agent: bool = False
    tags: list[str] = Field(default_factory=list)
    user_data: str = ""
    vpc_uuid: str = ""
    volumes: list[str | VolumeReference] = Field(default_factory=list)
