"""The states of what the API keeps, and the named steps between them.

A step is called with the present state and gives the next one::

    status = states.WENT_OFF(droplet.status)
"""

from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


class DropletStatus(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    OFF = "off"
    DELETING = "deleting"
    """Gone for clients; its machine and addresses are still being given back."""


class ActionStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ERRORED = "errored"


class BalancerStatus(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    ERRORED = "errored"


class CertificateState(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    ERROR = "error"


class ImageStatus(StrEnum):
    AVAILABLE = "available"
    DELETED = "deleted"
    """Gone for clients; its disk is still being removed."""


class IllegalStepError(Exception):
    """A step from a state that it does not lead from: a bug in a room."""


class Step(Generic[S]):
    """One named step: from any of ``before`` to ``after``."""

    def __init__(self, name: str, before: set[S], after: S) -> None:
        self.name = name
        self.before = frozenset(before)
        self.after = after

    def __call__(self, current: S) -> S:
        """The state after this step.

        Raises:
            IllegalStepError: it does not lead from ``current``.
        """
        if current not in self.before:
            raise IllegalStepError(f"{self.name}: not from {current}")
        return self.after


BOOTED = Step("booted", {DropletStatus.NEW}, DropletStatus.ACTIVE)
FAILED_TO_BOOT = Step("failed to boot", {DropletStatus.NEW}, DropletStatus.OFF)
POWER_OFF = Step("went off", {DropletStatus.ACTIVE}, DropletStatus.OFF)
POWER_ON = Step("came on", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.ACTIVE)
REBUILT = Step("rebuilt", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.ACTIVE)
DESTROY = Step("doomed", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.DELETING)

COMPLETED = Step("completed", {ActionStatus.IN_PROGRESS}, ActionStatus.COMPLETED)
ERRORED = Step("errored", {ActionStatus.IN_PROGRESS}, ActionStatus.ERRORED)

FORWARDING = Step("forwarding", {BalancerStatus.NEW}, BalancerStatus.ACTIVE)
NOT_FORWARDING = Step("not forwarding", {BalancerStatus.NEW}, BalancerStatus.ERRORED)

PROVEN = Step("proven", {CertificateState.PENDING}, CertificateState.VERIFIED)
NOT_PROVEN = Step("not proven", {CertificateState.PENDING}, CertificateState.ERROR)

DISCARDED = Step("discarded", {ImageStatus.AVAILABLE}, ImageStatus.DELETED)
