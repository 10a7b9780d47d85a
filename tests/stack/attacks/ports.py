"""Scans of every TCP port of every machine, compared with the ports that are meant to be open."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from infra.firewalls import DYNAMIC_PORTS
from tests.stack.attacks import local_processes, scanner
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.namespaces import HOST
from tests.stack.attacks.target import Machine, Target

PACKETS_PER_SECOND = 20_000
"""Of all scans together."""
MAX_SCANS = 3
"""A scan that loses packets is repeated at half the rate."""
SCAN_TIMEOUT_S = 300
ADMIN_PORTS = {"prime": {22, 4646, 8501}, "worker": {22}}
AGENT_PORTS = {"prime": {4647, 8300, 8301}, "worker": {8301}}
"""On private addresses, for the agents of other machines."""
LOOPBACK_PORTS = {22, 53, 4646, 8600}
"""On a worker, for every local process; the packet filter restricts Consul's HTTP port."""

OpenPorts = dict[str, set[int]]
"""By address."""


@dataclass(frozen=True)
class ScanResult:
    """What is open, and the ports that Nomad had assigned at that time."""

    by_place: dict[str, OpenPorts]
    """From ``outside``, from the ``administrator`` and from a ``worker``."""
    job_ports: dict[str, list[tuple[str, int]]]
    """By machine: host address and port of each allocation."""


def scan(namespace: str, targets: list[str], control: tuple[str, int], rate: int) -> OpenPorts:
    """Scan every port of the targets from a network namespace.

    Raises:
        AssertionError: every scan lost packets, so the results prove nothing.
    """
    for attempt in range(MAX_SCANS):
        result = _scan_once(namespace, targets, control, rate >> attempt)
        if result["answered"] == result["controls"]:
            break
    assert result["answered"] == result["controls"] > 0, (
        f"{control} answered {result['answered']} of {result['controls']} packets"
    )
    assert result["sent"] == result["controls"] + len(targets) * scanner.LAST_PORT
    return {address: set(ports) for address, ports in result["open"].items()}


def _scan_once(
    namespace: str, targets: list[str], control: tuple[str, int], rate: int
) -> dict[str, Any]:
    args = json.dumps({"targets": targets, "control": control, "rate": rate})
    enter = ["ip", "netns", "exec", namespace] if namespace != HOST else []
    command = [*enter, sys.executable, scanner.__file__, args]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SCAN_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@cache
def scan_target(target: Target) -> ScanResult:
    """Scan from all places in parallel."""
    public = [machine.public for machine in target.machines]
    others = {
        address
        for machine in target.machines
        if machine.namespace != target.worker_position.namespace
        for address in (machine.public, machine.private)
    }
    prime = target.worker_position.server_address
    scans = {
        "outside": (target.outside_namespace, public, target.public_endpoint),
        "administrator": (HOST, public, (target.prime.public, 22)),
        "worker": (target.worker_position.namespace, sorted(others), (prime, 4647)),
    }
    count = sum(len(addresses) for _, addresses, _ in scans.values())
    with ThreadPoolExecutor() as pool:
        running = {
            place: pool.submit(
                scan, namespace, addresses, control, PACKETS_PER_SECOND * len(addresses) // count
            )
            for place, (namespace, addresses, control) in scans.items()
        }
        by_place = {place: future.result() for place, future in running.items()}
    names = [machine.name for machine in target.machines]
    return ScanResult(by_place, {name: _job_ports(target, name) for name in names})


def _job_ports(target: Target, machine: str) -> list[tuple[str, int]]:
    """Return host address and port of all that Nomad has assigned to allocations there."""
    allocations: list[dict[str, Any]] = target.nomad_as_manager(
        "/v1/allocations?resources=true"
    ).json
    return [
        (port["HostIP"], port["Value"])
        for allocation in allocations
        if allocation["ClientStatus"] == "running" and allocation["NodeName"] == machine
        for port in allocation["AllocatedResources"]["Shared"]["Ports"] or ()
    ]


def open_to_workers(target: Target, machine: Machine, address: str) -> set[int]:
    """Return the agents' ports on the private address, and the services' ports on any address."""
    first, last = map(int, DYNAMIC_PORTS.split("-"))
    services = {
        port
        for host, port in scan_target(target).job_ports[machine.name]
        if first <= port <= last and host == machine.private
    }
    return services | (_of_roles(AGENT_PORTS, machine) if address == machine.private else set())


def open_to_administrators(_target: Target, machine: Machine, _address: str) -> set[int]:
    return _of_roles(ADMIN_PORTS, machine)


def open_to_public(_target: Target, _machine: Machine, _address: str) -> set[int]:
    return set()


def _of_roles(by_role: Mapping[str, set[int]], machine: Machine) -> set[int]:
    return {port for role in machine.roles for port in by_role[role]}


def _compare(found: OpenPorts, expected: OpenPorts) -> Outcome:
    """An unexpected open port is a success; a missing one fails the refusal's pattern."""

    def difference(left: OpenPorts, right: OpenPorts) -> dict[str, list[int]]:
        return {
            address: sorted(left[address] - right[address])
            for address in left
            if left[address] - right[address]
        }

    unexpected, missing = difference(found, expected), difference(expected, found)
    return Outcome(
        bool(unexpected), f"unexpected: {unexpected or 'none'}; missing: {missing or 'none'}"
    )


def _scan_machines(
    place: str, expected: Callable[[Target, Machine, str], set[int]]
) -> Callable[[Target], Outcome]:
    def run(target: Target) -> Outcome:
        found = scan_target(target).by_place[place]
        machines = {
            address: machine
            for machine in target.machines
            for address in (machine.public, machine.private)
        }
        return _compare(
            found, {address: expected(target, machines[address], address) for address in found}
        )

    return run


def _scan_loopback(
    results: Callable[[Target], local_processes.Results],
) -> Callable[[Target], Outcome]:
    def run(target: Target) -> Outcome:
        _, found = results(target)["ports"]
        assigned = {port for _, port in scan_target(target).job_ports[target.worker.name]}
        return _compare(
            {"loopback": set(json.loads(found))}, {"loopback": LOOPBACK_PORTS | assigned}
        )

    return run


AS_EXPECTED = "unexpected: none; missing: none"
FIREWALLS, PACKET_FILTER = "the firewalls", "the worker's packet filter"
ATTACKS = [
    Attack(
        "Find a port that is open to everybody",
        _scan_machines("outside", open_to_public),
        AS_EXPECTED,
        FIREWALLS,
    ),
    Attack(
        "Find a port that is open to administrators without need",
        _scan_machines("administrator", open_to_administrators),
        AS_EXPECTED,
        FIREWALLS,
    ),
    Attack(
        "Find a port that is open to another worker without need",
        _scan_machines("worker", open_to_workers),
        AS_EXPECTED,
        FIREWALLS,
    ),
    Attack(
        "As user nobody: find a loopback port that is open without need",
        _scan_loopback(local_processes.results_as_nobody),
        AS_EXPECTED,
        PACKET_FILTER,
    ),
    Attack(
        "In a task of another job: find a loopback port that is open without need",
        _scan_loopback(local_processes.results_in_task),
        AS_EXPECTED,
        PACKET_FILTER,
    ),
]
