"""An attack and its outcome."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.stack.attacks.target import Target


@dataclass(frozen=True)
class Outcome:
    """Whether the attacker reached the goal, and the response as text."""

    succeeded: bool
    detail: str


@dataclass(frozen=True)
class Attack:
    """One attack, run by the same function on every target.

    Only addresses and the attacker's credentials differ between targets.
    """

    name: str
    run: Callable[[Target], Outcome]
    refusal: str
    """Regular expression that the detail matches when the attack fails for the intended reason."""
    refused_by: str
    """The protection that stops the attack, for docs/security.md."""
