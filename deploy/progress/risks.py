"""The risks of planned changes: machines that are replaced, data that is lost, outages."""

from collections.abc import Iterable, Iterator, Sequence

from deploy.progress.changes import Change
from infra import names

LOSES_MACHINE = ("to replace", "to delete")
DATA_TYPES = ("SpacesBucket", "Volume", "DatabaseCluster")
"""Types whose replacement or deletion loses what they store."""
ENTRY_TYPES = ("LoadBalancer", "Domain", "Certificate", "Vpc")
"""Types without which no request reaches a service."""


def risks(changes: Sequence[Change], machines: Iterable[str] = ()) -> list[str]:
    """Return one sentence for each risk, the worst first.

    Args:
        changes: those of a preview.
        machines: names of the droplets that the stack has now.
    """
    lost = [change for change in changes if change.action in LOSES_MACHINE]
    return [*_machines(lost), *_data(lost, set(machines)), *_outages(lost, set(machines))]


def _machines(lost: Sequence[Change]) -> Iterator[str]:
    for action, verb in (("to replace", "replaces"), ("to delete", "deletes")):
        droplets = _droplets(change for change in lost if change.action == action)
        if droplets:
            noun = "machine" if len(droplets) == 1 else "machines"
            yield f"{verb} {len(droplets)} {noun}: {', '.join(droplets)}"


def _data(lost: Sequence[Change], machines: set[str]) -> Iterator[str]:
    primes = {name for name in _droplets(lost) if not names.is_worker(name)}
    if primes and primes >= {name for name in machines if not names.is_worker(name)}:
        yield "loses data: every prime's, so all Consul and Nomad state (jobs, tokens, keys)"
    for change in lost:
        if change.type in DATA_TYPES:
            yield f"loses data: all that {change.type} {change.name} stores"


def _outages(lost: Sequence[Change], machines: set[str]) -> Iterator[str]:
    workers = {name for name in _droplets(lost) if names.is_worker(name)}
    if workers and workers >= {name for name in machines if names.is_worker(name)}:
        yield "outage: no service runs until new workers have joined"
    for change in lost:
        if change.type in ENTRY_TYPES:
            yield f"outage: no request reaches the services without {change.type} {change.name}"
        elif change.type == "Job":
            yield f"outage: the job {change.name} stops"


def _droplets(changes: Iterable[Change]) -> list[str]:
    return sorted(change.name for change in changes if change.type == "Droplet")
