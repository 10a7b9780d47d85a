"""A stack without enrolment for memory machines, and interrupts of its operations."""

import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stack.rig import STACK, CommandResult, Rig

PROGRAM = '''
"""The stack's account: image, network, machines, load balancer and project; no enrolment."""

import pulumi

from infra import reachability
from infra.cluster.credentials import ClusterCredentials
from infra.droplet_template import create_templates
from infra.edge import Edge, EdgeArgs
from infra.firewalls import Firewalls, FirewallsArgs
from infra.image.base_image import BaseImage, BaseImageArgs
from infra.machine import create_machine
from infra.names import ROLES
from infra.network import Network, NetworkArgs
from infra.preflight import preflight
from infra.project import create_project
from infra.state_format import STATE_FORMAT

# No memory machine answers.
reachability.PROBE_TIMEOUT_S = reachability.CONNECT_TIMEOUT_S = 0.1
context = preflight()
prefix, settings = context.prefix, context.settings
credentials = ClusterCredentials.create(prefix, settings, services=[])
image = BaseImage("image", BaseImageArgs.from_settings(settings))
network = Network("network", NetworkArgs.from_settings(prefix, settings, credentials.enrol_key))
firewalls = Firewalls("firewalls", FirewallsArgs.from_settings(prefix, settings, network.tags))
edge = Edge("edge", EdgeArgs.from_settings(prefix, settings, network.vpc_id, network.tags))
templates = create_templates(settings, network, firewalls, image.image_id)
machines = [
    create_machine(templates[role], number, credentials.secrets, network)
    for role in ROLES
    for number in range(1, settings.machine_count(role) + 1)
]
create_project(prefix, edge.load_balancer, [machine.droplet for machine in machines])
pulumi.export("format", STATE_FORMAT)
'''

RUN_VARIABLE = "SLIPWAY_TEST_RUN"
"""Marks the processes of one command, so that all of them can be killed."""
POLL_INTERVAL_S = 0.002
MAX_CHANGES = {"up": 13, "roll": 4, "destroy": 13}
"""An operation is interrupted after at most as many changes of the account."""
TIMEOUT_S = 180
DEPLOY = ("python", "-m", "deploy")


@dataclass(frozen=True)
class Interrupt:
    """One interrupted operation."""

    operation: str
    signal: signal.Signals
    changes: int
    """How many changes of the account the operation has made when it is interrupted."""
    recovery: str
    """The one command afterwards: ``up`` or ``destroy``."""

    def __str__(self) -> str:
        return (
            f"{self.signal.name} of {self.operation} after {self.changes} changes, "
            f"then {self.recovery}"
        )


def choose(generator: random.Random, number: int, *, exists: bool) -> Interrupt:
    """Return the interrupt of a round; every second one is SIGKILL."""
    operation = generator.choice(("roll", "destroy")) if exists else "up"
    return Interrupt(
        operation,
        (signal.SIGKILL, signal.SIGINT)[number % 2],
        generator.randint(1, MAX_CHANGES[operation]),
        generator.choice(("up", "destroy")),
    )


def run_interrupted(rig: Rig, interrupt: Interrupt) -> int:
    """Run the operation, interrupt it, and wait for its end; return its exit code."""
    if interrupt.operation == "roll":
        size = "s-1vcpu-2gb" if _worker_size(rig) == "s-1vcpu-1gb" else "s-1vcpu-1gb"
        rig.set(worker_size=size)
    command = "destroy" if interrupt.operation == "destroy" else "up"
    mark = uuid.uuid4().hex
    before = count_changes(rig)
    with subprocess.Popen(
        [*DEPLOY, command, STACK, "--yes"],
        cwd=rig.directory,
        env={**rig.environment, RUN_VARIABLE: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while process.poll() is None and count_changes(rig) - before < interrupt.changes:
            assert time.monotonic() < deadline, interrupt
            time.sleep(POLL_INTERVAL_S)
        assert count_changes(rig) > before, f"{interrupt}: the operation has changed nothing"
        if interrupt.signal == signal.SIGKILL:
            kill_marked(mark)
        elif process.poll() is None:
            process.send_signal(interrupt.signal)
        return process.wait(TIMEOUT_S)


def count_changes(rig: Rig) -> int:
    """Return how many requests have changed the account since the cloud started."""
    log = Path(rig.environment["PULUMI_HOME"]).parent / "api.log"
    lines = log.read_text().splitlines()
    return sum(" POST /v2/" in line or " DELETE /v2/" in line for line in lines)


def kill_marked(mark: str) -> None:
    """Kill all processes of a command at once, as a loss of power does."""
    while pids := _marked(mark):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(POLL_INTERVAL_S)


def _marked(mark: str) -> list[int]:
    """Return the processes that have the mark in their environment and still run."""
    wanted = f"{RUN_VARIABLE}={mark}".encode()
    found = []
    for directory in Path("/proc").iterdir():
        try:
            if directory.name.isdecimal() and wanted in (directory / "environ").read_bytes():
                found.append(int(directory.name))
        except OSError:  # It has ended, or belongs to another user.
            continue
    return found


def recover(rig: Rig, interrupt: Interrupt) -> CommandResult:
    """Release the lock of a killed command, then run the one command that repairs."""
    if interrupt.signal == signal.SIGKILL:
        rig.run("pulumi", "cancel", "--yes", "--stack", STACK)
    return rig.deploy(interrupt.recovery, "--json", "--yes")


def state_ids(rig: Rig, types: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return kind and id of each resource of ``types`` in the state; duplicates stay."""
    exported = json.loads(rig.pulumi("stack", "export").stdout)
    deployment = exported["deployment"]
    assert not deployment.get("pending_operations")
    return sorted(
        (types[resource["type"]], resource["id"])
        for resource in deployment.get("resources") or ()
        if resource["type"] in types
    )


def _worker_size(rig: Rig) -> str:
    text = (rig.directory / f"Pulumi.{STACK}.yaml").read_text()
    return "s-1vcpu-2gb" if "s-1vcpu-2gb" in text else "s-1vcpu-1gb"
