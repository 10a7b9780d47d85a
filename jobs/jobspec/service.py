"""A service block: how a task is registered in Consul, and which checks Consul runs."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.jobspec.block import Block, Name
from jobs.jobspec.duration import Duration

MIN_CHECK_DURATION = timedelta(seconds=1)
"""Nomad's lower bound of a check's interval and timeout."""


class CheckRestart(Block):
    """Restart the task after ``limit`` failed checks in a row.

    Nomad ignores checks in the first ``grace`` of the task's life.
    """

    limit: Annotated[int, Field(ge=1)]
    grace: Duration
    ignore_warnings: bool = False


class Check(Block):
    """A health check that the node's Consul agent runs."""

    name: str
    type: Literal["http", "tcp"] = "http"
    path: str = ""
    port: Annotated[str, Field(serialization_alias="PortLabel")]
    interval: Duration
    timeout: Duration
    check_restart: CheckRestart | None = None

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if self.type == "http" and not self.path.startswith("/"):
            raise ValueError(f"check {self.name}: an http check needs a path that begins with /")
        if self.type == "tcp" and (self.path or not self.port):
            raise ValueError(f"check {self.name}: a tcp check has a port and no path")
        if min(self.interval, self.timeout) < MIN_CHECK_DURATION:
            raise ValueError(f"check {self.name}: interval and timeout must be at least 1s")
        return self


class Connect(Block):
    """Connect for a service. ``native``: the task itself speaks Connect's mutual TLS."""

    native: Literal[True]


class Service(Block):
    """A registration in Consul. Only a group's may have ``connect``; it names its ``task``."""

    name: Name
    port: Annotated[str, Field(serialization_alias="PortLabel")]
    provider: Literal["consul"] = "consul"
    task: Annotated[str, Field(serialization_alias="TaskName")] = ""
    connect: Connect | None = None
    tags: list[str] = Field(default_factory=list)
    checks: list[Check] = Field(default_factory=list)
