"""A task block: one program, its artifact and its resources."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from jobs.jobspec.block import Block, Name
from jobs.jobspec.duration import PositiveDuration
from jobs.jobspec.service import Service

Driver = Literal["exec", "raw_exec"]


class Artifact(Block):
    """A file that the Nomad client downloads into the task's directory and verifies by checksum."""

    source: Annotated[str, Field(serialization_alias="GetterSource", pattern=r"^https?://")]
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", exclude=True)]
    mode: Annotated[Literal["file"], Field(serialization_alias="GetterMode")] = "file"
    destination: Annotated[str, Field(serialization_alias="RelativeDest", pattern=r"^local/")]

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**serialize(self), "GetterOptions": {"checksum": self.checksum}}


class Consul(Block):
    """Gives the task a Consul token in ``secrets/consul_token``. The block has no settings."""


class Resources(Block):
    """CPU in MHz and memory in MB. Nomad kills a task that uses more memory."""

    cpu: Annotated[int, Field(ge=1, serialization_alias="CPU")]
    memory: Annotated[int, Field(ge=10, serialization_alias="MemoryMB")]


class Task(Block):
    """One program, run as ``user``.

    ``cap_drop`` removes Linux capabilities, which the ``exec`` driver gives to every user.
    """

    name: Name
    driver: Driver
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$")]
    command: Annotated[str, Field(min_length=1, exclude=True)]
    args: Annotated[list[str], Field(exclude=True, default_factory=list)]
    cap_drop: Annotated[list[str], Field(exclude=True, default_factory=list)]
    env: dict[str, str] = Field(default_factory=dict)
    consul: Consul | None = None
    artifacts: list[Artifact] = Field(default_factory=list)
    services: list[Service] = Field(default_factory=list)
    resources: Resources
    kill_signal: Literal["SIGTERM", "SIGINT"] = "SIGTERM"
    kill_timeout: PositiveDuration

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.cap_drop and self.driver != "exec":
            raise ValueError(f"task {self.name}: driver {self.driver} does not support cap_drop")
        if names := [service.name for service in self.services if service.connect]:
            raise ValueError(
                f"task {self.name}: only a group's service may have connect; "
                f"remove it from {', '.join(names)}"
            )
        return self

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        config: dict[str, Any] = {"command": self.command, "args": self.args}
        if self.cap_drop:
            config["cap_drop"] = self.cap_drop
        return {**serialize(self), "Config": config}
