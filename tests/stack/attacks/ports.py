"""Every port of every machine, tried from each place that there is: which are open, and which were meant to be."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from infra.network import DYNAMIC_PORTS
from tests.stack.attacks import local_processes, scanner
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.namespaces import HERE
from tests.stack.attacks.target import Machine, Victim

PACKETS = 20_000
"""A second, by all scans together."""
SCAN_SECONDS = 300
ADMINISTRATORS = {"prime": {22, 4646, 8501}, "worker": {22}}
MACHINES = {"prime": {4647, 8300, 8301}, "worker": {8301}}
"""What the agents of other machines need, on private addresses."""
LOOPBACK = {22, 53, 4646, 8600}
"""Of a worker, for whoever runs there; Consul's HTTP is for some users alone."""

Found = dict[str, set[int]]
"""Open ports by address."""


def scan(station: str, targets: list[str], control: tuple[str, int], rate: int) -> Found:
    """Every port of the targets, from a network.

    Raises:
        AssertionError: packets were lost, so that nothing is proven.
    """
    told = json.dumps({"targets": targets, "control": control, "rate": rate})
    enter = ["ip", "netns", "exec", station] if station != HERE else []
    command = [*enter, sys.executable, scanner.__file__, told]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SCAN_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["answered"] == result["controls"] > 0, (
        f"of {result['controls']} packets to {control} {result['answered']} were answered"
    )
    assert result["sent"] == result["controls"] + len(targets) * scanner.LAST_PORT
    return {address: set(ports) for address, ports in result["open"].items()}


@cache
def scanned(victim: Victim) -> dict[str, Found]:
    """From ``outside``, from the administrator's place and from a ``worker``, all at once."""
    public = [machine.public for machine in victim.machines]
    others = {
        address
        for one in victim.machines
        if one.station != victim.inside.station
        for address in (one.public, one.private)
    }
    asked = {
        "outside": (victim.outside, public, victim.open_to_all),
        "administrator": (HERE, public, (victim.prime.public, 22)),
        "worker": (victim.inside.station, sorted(others), (victim.inside.server, 4647)),
    }
    packets = sum(len(targets) for _, targets, _ in asked.values())
    with ThreadPoolExecutor() as pool:
        begun = {
            place: pool.submit(scan, station, targets, control, PACKETS * len(targets) // packets)
            for place, (station, targets, control) in asked.items()
        }
        return {place: one.result() for place, one in begun.items()}


def jobs_ports(victim: Victim, machine: Machine) -> list[tuple[str, int]]:
    """What Nomad has given to instances there: of the machine's network, or of loopback alone."""
    listed: list[dict[str, Any]] = victim.nomad_manager("/v1/allocations?resources=true").json
    running = [
        one
        for one in listed
        if one["ClientStatus"] == "running" and one["NodeName"] == machine.name
    ]
    return [
        (port["HostIP"], port["Value"])
        for one in running
        for port in one["AllocatedResources"]["Shared"]["Ports"] or ()
    ]


def meant_for_workers(victim: Victim, machine: Machine, address: str) -> set[int]:
    """On the private address the agents, on both of a worker what listens there of those ports that its firewall leaves to workers."""
    first, last = map(int, DYNAMIC_PORTS.split("-"))
    services = {
        port
        for host, port in jobs_ports(victim, machine)
        if first <= port <= last and host == machine.private
    }
    return services | (_union(MACHINES, machine) if address == machine.private else set())


def meant_for_administrators(_victim: Victim, machine: Machine, _address: str) -> set[int]:
    return _union(ADMINISTRATORS, machine)


def meant_for_all(_victim: Victim, _machine: Machine, _address: str) -> set[int]:
    return set()


def _union(by_role: Mapping[str, set[int]], machine: Machine) -> set[int]:
    return {port for role in machine.roles for port in by_role[role]}


def _compared(found: Found, meant: Found) -> Outcome:
    """More than was meant is a success, and less is no refusal either."""
    beyond = {
        address: sorted(found[address] - meant[address])
        for address in found
        if found[address] - meant[address]
    }
    lacking = {
        address: sorted(meant[address] - found[address])
        for address in found
        if meant[address] - found[address]
    }
    return Outcome(
        bool(beyond),
        f"beyond what is meant: {beyond or 'nothing'}; lacking of it: {lacking or 'nothing'}",
    )


def _machines(
    place: str, meant: Callable[[Victim, Machine, str], set[int]]
) -> Callable[[Victim], Outcome]:
    def run(victim: Victim) -> Outcome:
        found = scanned(victim)[place]
        of = {
            address: machine
            for machine in victim.machines
            for address in (machine.public, machine.private)
        }
        return _compared(found, {address: meant(victim, of[address], address) for address in found})

    return run


def _loopback(results: Callable[[Victim], local_processes.Results]) -> Callable[[Victim], Outcome]:
    def run(victim: Victim) -> Outcome:
        _, found = results(victim)["ports"]
        return _compared(
            {"loopback": set(json.loads(found))},
            {"loopback": LOOPBACK | {port for _, port in jobs_ports(victim, victim.worker)}},
        )

    return run


AS_MEANT = "beyond what is meant: nothing; lacking of it: nothing"
ATTACKS = [
    Attack(
        "A port of some machine is open to everybody", _machines("outside", meant_for_all), AS_MEANT
    ),
    Attack(
        "A port is open to administrators that they have no use for",
        _machines("administrator", meant_for_administrators),
        AS_MEANT,
    ),
    Attack(
        "A port is open to another worker that it has no use for",
        _machines("worker", meant_for_workers),
        AS_MEANT,
    ),
    Attack(
        "A port is open to a process of nobody's on its machine that it has no use for",
        _loopback(local_processes.as_nobody),
        AS_MEANT,
    ),
    Attack(
        "A port is open to a task of another job on its machine that it has no use for",
        _loopback(local_processes.in_a_task),
        AS_MEANT,
    ),
]
