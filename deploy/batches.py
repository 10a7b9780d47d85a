"""Batches of machines, for an account that may not have twice the droplets of a stack."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deploy.errors import UsageError
from deploy.machines import Machine
from infra.settings.sources import ENVIRONMENT

NO_MACHINE = "[]"
"""The setting of an empty batch; an empty text would be no setting."""


def make_batches(machines: Sequence[Machine], size: int) -> list[tuple[str, ...]]:
    """Return the slots of the machines in batches of at most ``size``, the primes first."""
    slots = sorted(machine.slot for machine in machines)
    return [tuple(slots[start : start + size]) for start in range(0, len(slots), size)]


def require_same_kind(machines: Sequence[Machine], *, region: str, task_driver: str) -> None:
    """Refuse changes for which all new machines must exist at once.

    Raises:
        UsageError: the region or the task driver changes.
    """
    workers = [machine for machine in machines if machine.slot.startswith("worker")]
    for setting, wanted, current in (
        ("region", region, {machine.region for machine in machines}),
        ("task_driver", task_driver, {machine.task_driver for machine in workers}),
    ):
        if others := sorted(current - {wanted}):
            raise UsageError(
                f"{setting}: a change from {', '.join(others)} to {wanted} is not possible in "
                "batches, because all new machines must exist at once; run `up` without --batch"
            )


@contextmanager
def replacing_only(batch: Sequence[str]) -> Iterator[None]:
    """Let updates in the block replace only the machines in these slots, or none."""
    variable = ENVIRONMENT["batch"]
    os.environ[variable] = ",".join(batch) or NO_MACHINE
    try:
        yield
    finally:
        del os.environ[variable]
