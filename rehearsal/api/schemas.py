"""Request and response bodies of more than one resource, with the API's names."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.state import records


class Body(BaseModel):
    """A request body. As in the API, unknown fields are ignored, and null means absent."""

    model_config = ConfigDict(extra="ignore", str_max_length=2**20)
    """With a maximum length, pydantic decodes strings and rejects unpaired surrogates.

    JSON can contain these, but they cannot be stored. The length is the body's limit.
    """

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value is not None}
            if isinstance(data, dict)
            else data
        )


class BackupPolicy(Body):
    """When backups are made. The defaults are DigitalOcean's."""

    plan: Literal["daily", "weekly"] = "weekly"
    weekday: Literal["", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] = ""
    """Empty for any; godo sends an empty string with a daily plan."""
    hour: Literal[0, 4, 8, 12, 16, 20] = 0

    def to_record(self) -> records.BackupPolicy:
        return records.BackupPolicy(plan=self.plan, weekday=self.weekday or "SUN", hour=self.hour)


class Action(BaseModel):
    id: int
    status: str
    type: str
    started_at: str
    completed_at: str | None
    resource_id: int
    resource_type: str
    region: Region
    region_slug: str

    @classmethod
    def from_record(cls, action: records.Action) -> "Action":
        return cls(
            id=action.id,
            status=action.status,
            type=action.type,
            started_at=action.started_at,
            completed_at=action.completed_at,
            resource_id=action.resource_id,
            resource_type=action.resource_type,
            region=REGIONS[action.region],
            region_slug=action.region,
        )


class ActionLink(BaseModel):
    id: int
    rel: str
    href: str


class Image(BaseModel):
    id: int
    name: str
    type: str
    distribution: str
    slug: str | None
    public: bool
    regions: list[str]
    created_at: str
    min_disk_size: int
    size_gigabytes: float
    description: str
    tags: list[str]
    status: str
    error_message: str = ""

    @classmethod
    def from_record(cls, image: records.Image) -> "Image":
        return cls(
            id=image.id,
            name=image.name,
            type=image.type,
            distribution=image.distribution,
            slug=image.slug,
            public=image.is_public,
            regions=image.regions,
            created_at=image.created_at,
            min_disk_size=image.min_disk_size,
            size_gigabytes=image.size_gigabytes,
            description=image.description,
            tags=image.tags,
            status=image.status,
        )
