"""Request and response bodies of SSH keys."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from rehearsal.api.schemas import Body
from rehearsal.state import records

Name = Annotated[str, StringConstraints(pattern=r"\S")]


class KeyCreate(Body):
    name: Name
    public_key: str


class KeyUpdate(Body):
    name: Name


class SshKey(BaseModel):
    id: int
    fingerprint: str
    public_key: str
    name: str

    @classmethod
    def from_record(cls, key: records.SshKey) -> "SshKey":
        return cls(id=key.id, fingerprint=key.fingerprint, public_key=key.public_key, name=key.name)
