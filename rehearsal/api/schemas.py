"""Shapes that more than one room answers with or takes, named as in the API."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from rehearsal.catalog.regions import REGIONS, Region
from rehearsal.state import records


class Body(BaseModel):
    """A request's body. As in the API, unknown fields are ignored and null is as good as absent."""

    model_config = ConfigDict(extra="ignore", str_max_length=2**20)
    """The length is that of the largest body: what counts is that pydantic looks into a text that has one, and refuses
    the half of a surrogate pair, which JSON can write and nobody can store."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value is not None}
            if isinstance(data, dict)
            else data
        )


class BackupPolicy(Body):
    """When backups are wished for; what is not said is as the real cloud chooses."""

    plan: Literal["daily", "weekly"] = "weekly"
    weekday: Literal["", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] = ""
    """Empty without a wish: godo sends it so with a daily plan."""
    hour: Literal[0, 4, 8, 12, 16, 20] = 0

    def record(self) -> records.BackupPolicy:
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
    def of(cls, action: records.Action) -> "Action":
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
    def of(cls, image: records.Image) -> "Image":
        return cls(
            id=image.id,
            name=image.name,
            type=image.type,
            distribution=image.distribution,
            slug=image.slug,
            public=image.public,
            regions=image.regions,
            created_at=image.created_at,
            min_disk_size=image.min_disk_size,
            size_gigabytes=image.size_gigabytes,
            description=image.description,
            tags=image.tags,
            status=image.status,
        )
