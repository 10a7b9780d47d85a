"""``recover``: the server, the delivery of the action, and the exit codes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.commands import recover
from deploy.machines import Server, list_servers
from infra import ssh
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import Project
from tests.infra.support.ssh_machine import Machine, key_pair

HOST, HOST_PRIVATE = key_pair()
USER, USER_PRIVATE = key_pair()

PROGRAM = f"""
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("member", props)

class Membership(Resource, module="slipway", name="Membership"):
    def __init__(self, name, role, address):
        super().__init__(Provider(), name, {{
            "name": name,
            "role": role,
            "address": address,
            "private_address": "10.10.0.2",
            "host_key": {HOST!r},
            "enrol_key": pulumi.Output.secret({USER_PRIVATE!r}),
        }})

Membership("prime01nyc3", "prime", "127.0.0.9")
Membership("prime02nyc3-2", "prime", "127.0.0.1")
Membership("worker01nyc3", "worker", "127.0.0.1")
pulumi.export("format", {STATE_FORMAT})
"""
"""The memberships of a stack; one prime has an SSH server."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The prime with an SSH server, which does not listen yet."""
    made = Machine(HOST_PRIVATE, USER, lambda given: (0, '{"outcome": "recovered"}\n', ""))
    monkeypatch.setattr(ssh, "PORT", made.port)
    monkeypatch.setattr(ssh, "MAX_REJECTION_S", 0.1)
    monkeypatch.setattr(recover, "DELIVERY_TIMEOUT_S", 0.5)
    yield made
    made.close()


@pytest.fixture
def stack_with_primes(project: Project, machine: Machine) -> Project:
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def test_action_is_delivered_to_the_named_prime(
    stack_with_primes: Project, machine: Machine
) -> None:
    machine.listen()
    recovered = stack_with_primes.deploy("recover", "prime02nyc3-2", "--yes", "--json")
    assert recovered.returncode == 0, recovered.stderr
    assert json.loads(recovered.stdout) == {
        "operation": "recover",
        "stack": "dev",
        "result": "succeeded",
    }
    assert [json.loads(given) for given in machine.given] == [{"action": "recover"}]
    assert "prime02nyc3-2 is the only server; run `python -m deploy up dev`" in recovered.stderr
    assert "PRIVATE KEY" not in recovered.stderr + recovered.stdout


@pytest.mark.parametrize("name", ["prime03nyc3", "worker01nyc3", "prime02nyc3"])
def test_unknown_prime_is_a_usage_error(
    stack_with_primes: Project, machine: Machine, name: str
) -> None:
    machine.listen()
    refused = stack_with_primes.deploy("recover", name, "--yes")
    assert refused.returncode == 2
    assert f"no prime {name}" in refused.stderr
    assert "its primes: prime01nyc3, prime02nyc3-2" in refused.stderr
    assert machine.met == 0


def test_unconfirmed_recovery_changes_nothing(stack_with_primes: Project, machine: Machine) -> None:
    machine.listen()
    refused = stack_with_primes.deploy("recover", "prime02nyc3-2")
    assert refused.returncode == 2 and "give --yes" in refused.stderr
    assert machine.met == 0


def test_unreachable_prime_is_a_failure(stack_with_primes: Project, machine: Machine) -> None:
    failed = stack_with_primes.deploy("recover", "prime02nyc3-2", "--yes", "--json")
    assert failed.returncode == 1
    [failure] = json.loads(failed.stdout)["failures"]
    assert failure["message"].startswith("prime02nyc3-2 was not recovered: no delivery")


def test_failure_on_the_machine_is_a_failure_with_its_message(
    stack_with_primes: Project, machine: Machine
) -> None:
    machine.command = lambda given: (1, "", "tool-enrol: Consul does not start\n")
    machine.listen()
    failed = stack_with_primes.deploy("recover", "prime02nyc3-2", "--yes")
    assert failed.returncode == 1 and "Consul does not start" in failed.stderr


def test_another_machine_at_the_address_receives_nothing(
    stack_with_primes: Project, machine: Machine
) -> None:
    other = Machine(key_pair()[1], USER, machine.command)
    machine.host_key = other.host_key
    other.close()
    machine.listen()
    failed = stack_with_primes.deploy("recover", "prime02nyc3-2", "--yes")
    assert failed.returncode == 1 and "Nothing was sent" in failed.stderr
    assert not any(machine.given)


def test_servers_include_those_that_are_about_to_leave() -> None:
    def membership(name: str, role: str, **more: object) -> dict[str, Any]:
        outputs = {"name": name, "role": role, "address": "a", "private_address": "p"}
        outputs |= {"host_key": "h", "enrol_key": "e"}
        kind = "pulumi-python:dynamic/slipway:Membership"
        return {"type": kind, "outputs": outputs, **more}

    state = [
        membership("prime01nyc3-2", "prime"),
        membership("prime01nyc3", "prime", delete=True),
        membership("worker01nyc3", "worker"),
        {"type": "pulumi:pulumi:Stack", "outputs": {}},
    ]
    assert list_servers(state) == [
        Server("prime01nyc3", "a", "p", "h", "e"),
        Server("prime01nyc3-2", "a", "p", "h", "e"),
    ]
