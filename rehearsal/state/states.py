"""The states of stored resources, and the transitions between them.

A transition is called with the present state and returns the next one::

    status = states.POWER_OFF(droplet.status)
"""

from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


class DropletStatus(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    OFF = "off"
    DELETING = "deleting"
    """Invisible to clients. The machine and its addresses are not released yet."""


class ActionStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ERRORED = "errored"


class LoadBalancerStatus(StrEnum):
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
    """Invisible to clients. The disk is not removed yet."""


class IllegalTransitionError(Exception):
    """A transition is not possible from the present state, which is a bug in a resource."""


class Transition(Generic[S]):
    """A named transition from any of the states ``before`` to ``after``."""

    def __init__(self, name: str, before: set[S], after: S) -> None:
        self.name = name
        self.before = frozenset(before)
        self.after = after

    def __call__(self, current: S) -> S:
        """Return the state after the transition.

        Raises:
            IllegalTransitionError: it is not possible from ``current``.
        """
        if current not in self.before:
            raise IllegalTransitionError(f"{self.name} is not possible in state {current}")
        return self.after


BOOT = Transition("boot", {DropletStatus.NEW}, DropletStatus.ACTIVE)
FAIL_BOOT = Transition("fail to boot", {DropletStatus.NEW}, DropletStatus.OFF)
POWER_OFF = Transition("power off", {DropletStatus.ACTIVE}, DropletStatus.OFF)
POWER_ON = Transition("power on", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.ACTIVE)
REBUILD = Transition("rebuild", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.ACTIVE)
DESTROY = Transition("destroy", {DropletStatus.ACTIVE, DropletStatus.OFF}, DropletStatus.DELETING)

COMPLETE = Transition("complete", {ActionStatus.IN_PROGRESS}, ActionStatus.COMPLETED)
FAIL = Transition("fail", {ActionStatus.IN_PROGRESS}, ActionStatus.ERRORED)

ACTIVATE = Transition("activate", {LoadBalancerStatus.NEW}, LoadBalancerStatus.ACTIVE)
FAIL_ACTIVATION = Transition(
    "fail to activate", {LoadBalancerStatus.NEW}, LoadBalancerStatus.ERRORED
)

VERIFY = Transition("verify", {CertificateState.PENDING}, CertificateState.VERIFIED)
FAIL_VERIFICATION = Transition("fail to verify", {CertificateState.PENDING}, CertificateState.ERROR)

DELETE_IMAGE = Transition("delete", {ImageStatus.AVAILABLE}, ImageStatus.DELETED)
