"""The risks of planned changes: machines that are replaced, data that is lost, outages."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from deploy.progress.changes import Change
from infra import names

DATA_TYPES = ("SpacesBucket", "Volume", "DatabaseCluster")
"""Types whose replacement or deletion loses what they store."""
ENTRY_TYPES = ("LoadBalancer", "Domain", "Certificate", "Vpc")
"""Types without which no request reaches a service. A replacement is created first."""


def can_lose(types: Iterable[str]) -> bool:
    """Whether a change can lose anything of a stack that has resources of these types."""
    return not {"Droplet", "Job", *DATA_TYPES, *ENTRY_TYPES}.isdisjoint(types)


def risks(changes: Sequence[Change], machines: Collection[str] = ()) -> list[str]:
    """Return one sentence for each risk, the worst first.

    A machine is replaced after its replacement has joined, so the cluster keeps its data and the
    services run, unless the network is replaced or the machine gets no replacement.

    Args:
        changes: those of a preview.
        machines: names of the droplets that the stack has now.
    """
    replaced = [change for change in changes if change.action == "to replace"]
    deleted = [change for change in changes if change.action == "to delete"]
    return [
        *_machines("replaces", replaced),
        *_machines("deletes", deleted),
        *_data(replaced, deleted, set(machines)),
        *_outages(deleted, set(machines)),
        *_new_addresses(replaced),
    ]


def _machines(verb: str, changes: Sequence[Change]) -> Iterator[str]:
    if droplets := _droplets(changes):
        noun = "machine" if len(droplets) == 1 else "machines"
        yield f"{verb} {len(droplets)} {noun}: {', '.join(droplets)}"


def _data(
    replaced: Sequence[Change], deleted: Sequence[Change], machines: set[str]
) -> Iterator[str]:
    """Yield what is lost. New primes get the data of the old ones, unless the roster is new."""
    primes = {name for name in machines if not names.is_worker(name)}
    has_new_cluster = any(change.type == "Roster" for change in replaced)
    if has_new_cluster or (primes and primes <= {*_droplets(deleted)}):
        yield "loses data: every prime's, so all Consul and Nomad state (jobs, tokens, keys)"
    for change in (*replaced, *deleted):
        if change.type in DATA_TYPES:
            yield f"loses data: all that {change.type} {change.name} stores"


def _outages(deleted: Sequence[Change], machines: set[str]) -> Iterator[str]:
    workers = {name for name in machines if names.is_worker(name)}
    if workers and workers <= {*_droplets(deleted)}:
        yield "outage: no worker is left, so no service runs"
    for change in deleted:
        if change.type in ENTRY_TYPES:
            yield f"outage: no request reaches the services without {change.type} {change.name}"
        elif change.type == "Job":
            yield f"outage: the job {change.name} stops"


def _new_addresses(replaced: Sequence[Change]) -> Iterator[str]:
    for change in replaced:
        if change.type == "LoadBalancer":
            yield (
                f"new URL: {change.type} {change.name} is replaced; "
                "the former URL answers until the new one does"
            )


def _droplets(changes: Iterable[Change]) -> list[str]:
    return sorted(change.name for change in changes if change.type == "Droplet")
