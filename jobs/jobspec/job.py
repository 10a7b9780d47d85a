"""Job and group blocks, and the JSON that Nomad's API takes."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from jobs.jobspec.block import Block, Name
from jobs.jobspec.policies import Migrate, Reschedule, Restart, Update
from jobs.jobspec.service import Service
from jobs.jobspec.task import Task


class Port(Block):
    """A port of the node: the port ``static``, or without it one that Nomad chooses.

    ``host_network`` names a host network of the Nomad clients. Checks and ``NOMAD_ADDR_*``
    variables use its address.
    """

    label: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    static: Annotated[int | None, Field(ge=1, le=65535, serialization_alias="Value")] = None
    host_network: str = "default"


class Network(Block):
    """The ports of a group, in the node's own network namespace."""

    ports: Annotated[list[Port], Field(exclude=True, default_factory=list)]

    @model_serializer(mode="wrap")
    def _serialize(self, _serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        ports = [port.model_dump(by_alias=True, exclude_none=True) for port in self.ports]
        return {
            "ReservedPorts": [port for port in ports if "Value" in port],
            "DynamicPorts": [port for port in ports if "Value" not in port],
        }


class EphemeralDisk(Block):
    """Disk space of an allocation, in MB."""

    size: Annotated[int, Field(ge=10, serialization_alias="SizeMB")]


class Spread(Block):
    """Prefer nodes that differ in ``attribute``."""

    attribute: str
    weight: Annotated[int, Field(ge=1, le=100)]


class TaskGroup(Block):
    """Tasks that run together on one node, in ``count`` allocations."""

    name: Name
    count: Annotated[int, Field(ge=1)]
    networks: list[Network] = Field(default_factory=list)
    services: list[Service] = Field(default_factory=list)
    tasks: Annotated[list[Task], Field(min_length=1)]
    spreads: list[Spread] = Field(default_factory=list)
    update: Update
    migrate: Migrate
    restart: Annotated[Restart, Field(serialization_alias="RestartPolicy")]
    reschedule: Annotated[Reschedule, Field(serialization_alias="ReschedulePolicy")]
    ephemeral_disk: EphemeralDisk

    @model_validator(mode="after")
    def _validate(self) -> Self:
        if problems := list(self._reference_problems()):
            raise ValueError("; ".join(problems))
        return self

    def _reference_problems(self) -> Iterator[str]:
        """Describe each duplicate, and each reference to a task or port that the group lacks."""
        labels = [port.label for network in self.networks for port in network.ports]
        tasks = [task.name for task in self.tasks]
        for label in _duplicates(labels):
            yield f"port {label} is defined twice"
        for name in _duplicates(tasks):
            yield f"task {name} is defined twice"
        for service in self.services:
            if service.task not in tasks:
                yield f"service {service.name} names the task {service.task}, which the group lacks"
        for service in (*self.services, *(s for task in self.tasks for s in task.services)):
            used = {service.port, *(check.port for check in service.checks)}
            for label in sorted(used - set(labels)):
                yield f"service {service.name} uses the port {label}, which the group lacks"


def _duplicates(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


class Job(Block):
    """A job of Nomad's type ``service``."""

    id: Annotated[Name, Field(serialization_alias="ID")]
    datacenters: Annotated[list[str], Field(min_length=1)]
    task_groups: Annotated[list[TaskGroup], Field(min_length=1)]

    def render(self) -> str:
        """Return the JSON that Nomad's API takes; equal jobs give equal text."""
        body = {**self.model_dump(by_alias=True), "Name": self.id, "Type": "service"}
        return json.dumps({"Job": body}, sort_keys=True, separators=(",", ":"))
