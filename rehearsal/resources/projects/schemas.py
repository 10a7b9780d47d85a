"""Request and response bodies of projects."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from rehearsal.api.schemas import Body
from rehearsal.state import records

OWNER_ID = 1

PURPOSES = {
    "Just trying out DigitalOcean",
    "Class project / Educational purposes",
    "Website or blog",
    "Web Application",
    "Service or API",
    "Mobile Application",
    "Machine learning / AI / Data processing",
    "IoT",
    "Operational / Developer tooling",
}
"""Any other purpose is stored as ``Other: ...``."""


def _capitalize(value: Any) -> Any:
    """Accept environments in any case."""
    return value.capitalize() if isinstance(value, str) else value


def _normalize_purpose(value: Any) -> Any:
    if not isinstance(value, str) or not value or value in PURPOSES or value.startswith("Other: "):
        return value
    return f"Other: {value}"


Name = Annotated[str, StringConstraints(min_length=1, max_length=175)]
Description = Annotated[str, StringConstraints(max_length=255)]
Purpose = Annotated[
    str, StringConstraints(min_length=1, max_length=255), BeforeValidator(_normalize_purpose)
]
Environment = Annotated[
    Literal["Development", "Staging", "Production", ""], BeforeValidator(_capitalize)
]


class ProjectCreate(Body):
    name: Name
    purpose: Purpose
    description: Description = ""
    environment: Environment = ""


class ProjectReplace(Body):
    """The body of a request that replaces a project; all fields are required."""

    name: Name
    purpose: Purpose
    description: Description
    environment: Environment
    is_default: bool


class ProjectUpdate(Body):
    name: Name | None = None
    purpose: Purpose | None = None
    description: Description | None = None
    environment: Environment | None = None
    is_default: bool | None = None


class Assignment(Body):
    resources: list[str] = Field(default_factory=list)


class Project(BaseModel):
    id: str
    owner_uuid: str
    owner_id: int
    name: str
    description: str
    purpose: str
    environment: str | None
    is_default: bool
    created_at: str
    updated_at: str

    @classmethod
    def from_record(cls, project: records.Project, owner_uuid: str) -> "Project":
        return cls(
            **project.model_dump(exclude={"resources"}), owner_uuid=owner_uuid, owner_id=OWNER_ID
        )


def format_resource(urn: str, assigned_at: str, base: str, status: str) -> dict[str, Any]:
    """Return ``resource`` of the API; ``base`` is the API's own URL."""
    _, kind, id = urn.split(":", 2)
    path = {
        "droplet": "droplets",
        "loadbalancer": "load_balancers",
        "vpc": "vpcs",
        "space": "spaces",
        "floatingip": "reserved_ips",
    }.get(kind, f"{kind}s")
    return {
        "urn": urn,
        "assigned_at": assigned_at,
        "links": {"self": f"{base}v2/{path}/{quote(id)}"},
        "status": status,
    }
