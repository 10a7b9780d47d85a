"""Request and response bodies of tags."""

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
    """The number of resources with a tag: all, and of each type."""

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
        """Build the response from the URLs of the tagged droplets and images."""
        total = _count(droplets + images)
        resources = TagResources(
            **total.model_dump(), droplets=_count(droplets), images=_count(images)
        )
        return cls(name=name, resources=resources)


def _count(uris: list[str]) -> Count:
    return Count(count=len(uris), last_tagged_uri=uris[-1] if uris else None)


def error_body(message: str) -> dict[str, Any]:
    """Return ``error_with_root_causes`` of the API."""
    return {"error": message, "messages": [message], "root_causes": []}
