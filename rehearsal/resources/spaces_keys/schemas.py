"""Request and response bodies of Spaces keys."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from rehearsal.api.schemas import Body
from rehearsal.state import records

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]

BUCKET_PATTERN = r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$"


class Grant(Body):
    bucket: Annotated[str, StringConstraints(pattern=BUCKET_PATTERN)]
    permission: Literal["read", "readwrite", "fullaccess", ""]

    @model_validator(mode="after")
    def _require_bucket(self) -> Self:
        if self.permission in ("read", "readwrite") and not self.bucket:
            raise ValueError(f"a grant of {self.permission} must name a bucket")
        return self


Grants = Annotated[list[Grant], Field(max_length=1000)]


class KeyCreate(Body):
    name: Name
    grants: Grants = Field(default_factory=list)


class KeyReplace(Body):
    """The body of a full update. Clients that rename a key send no grants, which then stay."""

    name: Name
    grants: Grants | None = None


class KeyUpdate(Body):
    name: Name | None = None
    grants: Grants | None = None


class SpacesKey(BaseModel):
    name: str
    access_key: str
    grants: list[records.Grant]
    created_at: str

    @classmethod
    def from_record(cls, key: records.SpacesKey) -> "SpacesKey":
        return cls(name=key.name, access_key=key.id, grants=key.grants, created_at=key.created_at)


def with_secret(key: records.SpacesKey) -> dict[str, Any]:
    """Return the response to a creation, the only one with the secret."""
    return {**SpacesKey.from_record(key).model_dump(), "secret_key": key.secret}
