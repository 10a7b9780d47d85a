"""A Nomad job in Nomad's own terms, checked before Nomad sees it.

Names are those of a job file; ``Job.render`` gives the JSON of Nomad's API. What Nomad would refuse is refused here,
with the setting's name, before anything is created; of Nomad's many settings there are only those that we use.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_pascal

from jobs.duration import Duration, parse


def _positive(duration: Duration) -> Duration:
    if duration <= parse("0s"):
        raise ValueError("must be longer than 0s")
    return duration


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Positive = Annotated[Duration, AfterValidator(_positive)]
MINIMUM_RESTART_INTERVAL, MINIMUM_RESCHEDULE_INTERVAL = parse("5s"), parse("15s")
MINIMUM_RESCHEDULE_DELAY = parse("5s")
MINIMUM_CHECK_TIME = parse("1s")


class Block(BaseModel):
    """A block of a job file. Sent under Nomad's API names, which are the same in Pascal case but for a few."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_pascal,
        populate_by_name=True,
        validate_by_alias=False,
    )


class CheckRestart(Block):
    """Restart the task after ``limit`` bad checks in a row, not counting the first ``grace`` of its life."""

    limit: Annotated[int, Field(ge=1)]
    grace: Duration
    ignore_warnings: bool = False


class Check(Block):
    """A health check that the Consul agent of the node runs."""

    name: str
    type: Literal["http", "tcp"] = "http"
    path: str = ""
    port: Annotated[str, Field(serialization_alias="PortLabel")]
    interval: Duration
    timeout: Duration
    check_restart: CheckRestart | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.type == "http" and not self.path.startswith("/"):
            raise ValueError(f"check {self.name}: an http check needs a path that begins with /")
        if self.type == "tcp" and (self.path or not self.port):
            raise ValueError(f"check {self.name}: a tcp check has no path")
        if min(self.interval, self.timeout) < MINIMUM_CHECK_TIME:
            raise ValueError(f"check {self.name}: interval and timeout must be at least 1s")
        return self


class Connect(Block):
    """``native``: the task itself speaks Connect's mutual TLS, and is found as one that does."""

    native: Literal[True]


class Service(Block):
    """What a task is known as in Consul. Only a group's may have ``connect``, and names its ``task``."""

    name: Name
    port: Annotated[str, Field(serialization_alias="PortLabel")]
    provider: Literal["consul"] = "consul"
    task: Annotated[str, Field(serialization_alias="TaskName")] = ""
    connect: Connect | None = None
    tags: list[str] = []
    checks: list[Check] = []


class Artifact(Block):
    """A file that the client downloads into the task's directory, refused unless its checksum is right."""

    source: Annotated[str, Field(serialization_alias="GetterSource", pattern=r"^https?://")]
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", exclude=True)]
    mode: Annotated[Literal["file"], Field(serialization_alias="GetterMode")] = "file"
    destination: Annotated[str, Field(serialization_alias="RelativeDest", pattern=r"^local/")]

    @model_serializer(mode="wrap")
    def _api(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**plain(self), "GetterOptions": {"checksum": self.checksum}}


class Consul(Block):
    """That a task gets a token of Consul, in its file ``secrets/consul_token``; an empty block is all it takes."""


class Resources(Block):
    """What a task is given: MHz and MB. More memory than that it never has."""

    cpu: Annotated[int, Field(ge=1, serialization_alias="CPU")]
    memory: Annotated[int, Field(ge=10, serialization_alias="MemoryMB")]


class Task(Block):
    """One program, run as ``user``. ``cap_drop`` takes Linux capabilities away, which ``exec`` gives to anyone."""

    name: Name
    driver: Literal["exec", "raw_exec"]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$")]
    command: Annotated[str, Field(min_length=1, exclude=True)]
    args: Annotated[list[str], Field(exclude=True)] = []
    cap_drop: Annotated[list[str], Field(exclude=True)] = []
    env: dict[str, str] = {}
    consul: Consul | None = None
    artifacts: list[Artifact] = []
    services: list[Service] = []
    resources: Resources
    kill_signal: Literal["SIGTERM", "SIGINT"] = "SIGTERM"
    kill_timeout: Positive

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.cap_drop and self.driver != "exec":
            raise ValueError(f"task {self.name}: {self.driver} knows no cap_drop")
        if bad := [service.name for service in self.services if service.connect]:
            raise ValueError(
                f"task {self.name}: connect is for a group's services only, not for {', '.join(bad)}"
            )
        return self

    @model_serializer(mode="wrap")
    def _api(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dropped = {"cap_drop": self.cap_drop} if self.cap_drop else {}
        return {**plain(self), "Config": {"command": self.command, "args": self.args, **dropped}}


class Port(Block):
    """A port of the node: ``static`` for that very one, without it one that Nomad chooses.

    It is a port of the clients' ``host_network`` of that name: checks and ``NOMAD_ADDR_`` variables have its address.
    """

    label: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    static: Annotated[int | None, Field(ge=1, le=65535, serialization_alias="Value")] = None
    host_network: str = "default"


class Network(Block):
    """The ports of a group, on the node's own network."""

    ports: Annotated[list[Port], Field(exclude=True)] = []

    @model_serializer(mode="wrap")
    def _api(self, _plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        asked = [port.model_dump(by_alias=True, exclude_none=True) for port in self.ports]
        return {
            "ReservedPorts": [port for port in asked if "Value" in port],
            "DynamicPorts": [port for port in asked if "Value" not in port],
        }


class Update(Block):
    """How a new version replaces the old one."""

    max_parallel: Annotated[int, Field(ge=1)]
    canary: Annotated[int, Field(ge=0)]
    auto_promote: bool
    auto_revert: bool
    health_check: Literal["checks", "task_states"]
    min_healthy_time: Duration
    healthy_deadline: Positive
    progress_deadline: Duration
    stagger: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_healthy_time >= self.healthy_deadline:
            raise ValueError("min_healthy_time must be shorter than healthy_deadline")
        if self.progress_deadline and self.healthy_deadline >= self.progress_deadline:
            raise ValueError("healthy_deadline must be shorter than progress_deadline")
        if self.auto_promote and not self.canary:
            raise ValueError("auto_promote needs a canary")
        return self


class Restart(Block):
    """How often a failed task starts again where it is."""

    attempts: Annotated[int, Field(ge=0)]
    interval: Duration
    delay: Duration
    mode: Literal["fail", "delay"]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.interval < MINIMUM_RESTART_INTERVAL:
            raise ValueError("restart interval must be at least 5s")
        if self.attempts * self.delay > self.interval:
            raise ValueError(
                f"{self.attempts} restarts with a delay of {self.delay} do not fit into an interval of {self.interval}"
            )
        if self.mode == "delay" and not self.attempts:
            raise ValueError("restart mode delay needs attempts")
        return self


class Reschedule(Block):
    """How often a failed allocation is made again on another node; a lost node's allocations always are."""

    attempts: Annotated[int, Field(ge=0)] = 0
    interval: Duration = parse("0s")
    delay: Duration = parse("30s")
    delay_function: Literal["constant", "exponential", "fibonacci"] = "constant"
    max_delay: Duration = parse("0s")
    unlimited: bool

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.attempts and not self.unlimited:
            return self
        if self.attempts and self.unlimited:
            raise ValueError("reschedule is unlimited or has attempts, not both")
        if self.delay < MINIMUM_RESCHEDULE_DELAY:
            raise ValueError("reschedule delay must be at least 5s")
        if self.delay_function != "constant" and self.max_delay < self.delay:
            raise ValueError("reschedule max_delay must not be shorter than delay")
        if self.attempts and self.interval < max(
            MINIMUM_RESCHEDULE_INTERVAL, self.attempts * self.delay
        ):
            raise ValueError(
                f"{self.attempts} reschedules with a delay of {self.delay} do not fit into an interval of {self.interval}"
            )
        return self


class EphemeralDisk(Block):
    """Disk that an allocation is given, in MB."""

    size: Annotated[int, Field(ge=10, serialization_alias="SizeMB")]


class Spread(Block):
    """Prefer nodes that differ in ``attribute``."""

    attribute: str
    weight: Annotated[int, Field(ge=1, le=100)]


class TaskGroup(Block):
    """Tasks that run together on one node, ``count`` times."""

    name: Name
    count: Annotated[int, Field(ge=1)]
    networks: list[Network] = []
    services: list[Service] = []
    tasks: Annotated[list[Task], Field(min_length=1)]
    spreads: list[Spread] = []
    update: Update
    restart: Annotated[Restart, Field(serialization_alias="RestartPolicy")]
    reschedule: Annotated[Reschedule, Field(serialization_alias="ReschedulePolicy")]
    ephemeral_disk: EphemeralDisk

    @model_validator(mode="after")
    def _refers_to_what_there_is(self) -> Self:
        labels = [port.label for network in self.networks for port in network.ports]
        problems = [
            f"port {label} is there twice"
            for label in sorted({x for x in labels if labels.count(x) > 1})
        ]
        names = [task.name for task in self.tasks]
        problems += [
            f"task {name} is there twice"
            for name in sorted({x for x in names if names.count(x) > 1})
        ]
        problems += [
            f"service {one.name} names the task {one.task}, which the group lacks"
            for one in self.services
            if one.task not in names
        ]
        for service in (
            *self.services,
            *(service for task in self.tasks for service in task.services),
        ):
            used = {service.port, *(check.port for check in service.checks)}
            problems += [
                f"service {service.name} uses the port {label}, which the group lacks"
                for label in sorted(used - set(labels))
            ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Job(Block):
    """A service job."""

    id: Annotated[Name, Field(serialization_alias="ID")]
    datacenters: Annotated[list[str], Field(min_length=1)]
    task_groups: Annotated[list[TaskGroup], Field(min_length=1)]

    def render(self) -> str:
        """The JSON that Nomad's API takes: the same text for the same job, so that nothing changes unless it did."""
        body = {**self.model_dump(by_alias=True), "Name": self.id, "Type": "service"}
        return json.dumps({"Job": body}, sort_keys=True, separators=(",", ":"))
