"""Base classes of resources and functions, and the package that combines them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.deadline import Deadline
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.properties import Properties, State

C = TypeVar("C")
"""Type of a package's API client."""


@dataclass(frozen=True)
class Timeouts:
    """Timeouts in seconds, which the program's ``custom_timeouts`` override."""

    create: float = 1200.0
    update: float = 1200.0
    delete: float = 1200.0


@dataclass
class Change:
    """A create, update or delete in progress."""

    id: str
    """Empty until a create has created the resource; later failures are partial failures."""
    old: State
    new: State
    """Inputs with defaults; empty for a delete."""
    changed: frozenset[str]
    """Names of the top-level properties that differ."""
    deadline: Deadline
    outputs: State = field(default_factory=dict)
    """Outputs that no read returns."""


class Resource(ABC, Generic[C]):
    """A resource type. Its methods block; each call runs in its own thread.

    Raises (all methods): PluginError with a message for the user.
    """

    token: ClassVar[str]
    properties: ClassVar[Properties]
    timeouts: ClassVar[Timeouts] = Timeouts()
    reads_back: ClassVar[bool] = True
    """Whether the official plugin reads the resource after a change."""

    def __init__(self, client: C) -> None:
        self.client = client

    def check(self, inputs: State) -> list[Failure]:
        """Return failures that the table cannot express. Values may be unknown."""
        return []

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Adjust the differences to the official plugin's, and make its checks of a plan.

        ``old`` is empty for a create. For a check, an unknown value is not set
        (``values.resolved_or_none``).
        """
        return differences

    @abstractmethod
    def create(self, change: Change) -> None:
        """Create the resource and wait until it is ready; set ``change.id`` once it exists."""

    @abstractmethod
    def read(self, resource_id: str, state: State) -> State | None:
        """Return the properties that the service returns, None if the resource does not exist.

        ``state`` is empty for an import.
        """

    @abstractmethod
    def update(self, change: Change) -> None:
        """Update the resource from ``change.old`` to ``change.new``."""

    @abstractmethod
    def delete(self, change: Change) -> None:
        """Delete the resource, and wait for it if the official plugin waits."""


@dataclass(frozen=True)
class Function(Generic[C]):
    """A function (data source)."""

    token: str
    inputs: Properties
    call: Callable[[C, State], State]
    secrets: frozenset[str] = frozenset()
    """Names of the results that are secret in the official schema."""


@dataclass(frozen=True)
class Package(Generic[C]):
    """The configuration, resources and functions of a provider."""

    name: str
    config: Properties
    connect: Callable[[Mapping[str, Any]], C]
    resources: tuple[type[Resource[C]], ...]
    functions: tuple[Function[C], ...] = ()
