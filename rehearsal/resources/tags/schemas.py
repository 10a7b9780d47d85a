"""Tags on the wire."""

from typing import Any, Literal

from pydantic import BaseModel

from rehearsal.api.schemas import Body


class Resource(Body):
    resource_id: str | int
    resource_type: Literal["droplet", "image", "volume", "volume_snapshot"]


class Resources(Body):
    resources: list[Resource]


class Count(BaseModel):
    count: int = 0
    last_tagged_uri: str | None = None


class TagResources(Count):
    """How many things have a tag: all together, and of each kind."""

    droplets: Count
    images: Count
    volumes: Count = Count()
    volume_snapshots: Count = Count()
    databases: Count = Count()


class Tag(BaseModel):
    name: str
    resources: TagResources

    @classmethod
    def from_tagged(cls, name: str, droplets: list[str], images: list[str]) -> "Tag":
        """``droplets`` and ``images`` are the URLs of those that have it."""
        together = _count(droplets + images)
        resources = TagResources(
            **together.model_dump(), droplets=_count(droplets), images=_count(images)
        )
        return cls(name=name, resources=resources)


def _count(uris: list[str]) -> Count:
    return Count(count=len(uris), last_tagged_uri=uris[-1] if uris else None)


def refusal(message: str) -> dict[str, Any]:
    """``error_with_root_causes``: how the creation of a tag is refused."""
    return {"error": message, "messages": [message], "root_causes": []}
