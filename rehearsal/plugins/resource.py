"""What every resource and function of a stand-in is made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.properties import Properties, State

C = TypeVar("C")
"""The client of one package's service."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds an operation has, unless the program's ``custom_timeouts`` say otherwise."""

    create: float = 1200.0
    update: float = 1200.0
    delete: float = 1200.0


@dataclass
class Change:
    """One create, update or delete under way."""

    id: str
    """Empty until a create has made something: from then on a failure is a partial one."""
    old: State
    new: State
    """What the program asks for, defaults filled in; on a delete, empty."""
    changed: frozenset[str]
    """The top-level properties that differ."""
    clock: Clock
    learned: State = field(default_factory=dict)
    """Outputs that only this change can tell, since no read returns them."""


class Resource(ABC, Generic[C]):
    """One kind of resource. Its methods block; each call has a thread of its own.

    Raises (all methods): PluginError with a message for the user.
    """

    token: ClassVar[str]
    properties: ClassVar[Properties]
    timeouts: ClassVar[Timeouts] = Timeouts()
    reads_back: ClassVar[bool] = True
    """Whether the official plugin reads the resource after it changed it."""

    def __init__(self, client: C) -> None:
        self.client = client

    def check(self, inputs: State) -> list[Failure]:
        """What is wrong beyond the table; values may be unknown."""
        return []

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """The differences as the official provider sees them. ``old`` is empty for a create."""
        return found

    @abstractmethod
    def create(self, change: Change) -> None:
        """Make the resource and wait for it; sets ``change.id`` as soon as there is one."""

    @abstractmethod
    def read(self, resource_id: str, state: State) -> State | None:
        """The properties that the service knows, or None when it is gone. ``state`` is empty on an import."""

    @abstractmethod
    def update(self, change: Change) -> None:
        """Bring the resource from ``change.old`` to ``change.new``."""

    @abstractmethod
    def delete(self, change: Change) -> None:
        """Remove the resource and wait until it is gone where the official plugin does."""


@dataclass(frozen=True)
class Function(Generic[C]):
    """One data source."""

    token: str
    inputs: Properties
    call: Callable[[C, State], State]
    secrets: frozenset[str] = frozenset()
    """The results that the official schema calls secret."""


@dataclass(frozen=True)
class Package(Generic[C]):
    """All of one plugin."""

    name: str
    config: Properties
    connect: Callable[[Mapping[str, Any]], C]
    resources: tuple[type[Resource[C]], ...]
    functions: tuple[Function[C], ...] = ()
