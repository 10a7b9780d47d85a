"""The machines of a stack, as its state describes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.errors import UsageError
from infra import names

GENERATION_TYPE = "pulumi-python:dynamic/slipway:Generation"
MEMBERSHIP_TYPE = "pulumi-python:dynamic/slipway:Membership"


@dataclass(frozen=True)
class Machine:
    """The current generation of a slot."""

    name: str
    replacements: int
    """How often ``replace`` has replaced the machine of this slot."""
    region: str
    task_driver: str

    @property
    def slot(self) -> str:
        return names.label_of_droplet(self.name)


@dataclass(frozen=True)
class Server:
    """A prime that the state has as a member, those that are about to leave included."""

    name: str
    address: str
    """Public address."""
    private_address: str
    host_key: str
    enrol_key: str
    """Private key, OpenSSH."""


def list_machines(resources: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """Return the machines of a stack's state."""
    generations = [
        resource["outputs"]
        for resource in resources
        if resource["type"] == GENERATION_TYPE and not resource.get("delete")
    ]
    return sorted(
        (
            Machine(
                outputs["name"],
                int((keepers := outputs["keepers"])["replacements"]),
                keepers["region"],
                keepers["task_driver"],
            )
            for outputs in generations
        ),
        key=lambda machine: machine.name,
    )


def find_machine(name: str, machines: Sequence[Machine], stack: str) -> Machine:
    """Return the machine of a droplet name or of a slot.

    Raises:
        UsageError: the stack has no such machine.
    """
    for machine in machines:
        if name in (machine.name, machine.slot):
            return machine
    listed = ", ".join(machine.name for machine in machines)
    listed = listed or f"none; run `python -m deploy up {stack}`"
    raise UsageError(f"the stack has no machine {name}; its machines: {listed}")


def list_servers(resources: Iterable[Mapping[str, Any]]) -> list[Server]:
    """Return the primes of a state with its secrets in plain text."""
    memberships = [
        resource["outputs"] for resource in resources if resource["type"] == MEMBERSHIP_TYPE
    ]
    servers = [
        Server(
            outputs["name"],
            outputs["address"],
            outputs["private_address"],
            outputs["host_key"],
            outputs["enrol_key"],
        )
        for outputs in memberships
        if outputs["role"] == "prime"
    ]
    return sorted(servers, key=lambda server: server.name)
