"""What an attack is, and what came of one."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.stack.attacks.target import Victim


@dataclass(frozen=True)
class Outcome:
    """Whether the attacker got what he wanted, and what he saw, in words."""

    succeeded: bool
    seen: str


@dataclass(frozen=True)
class Attack:
    """The same work against any victim; only addresses and what the attacker holds differ.

    ``refusal`` is a regular expression that what was seen must match where the attack fails: it was turned away, and not
    merely done wrong.
    """

    name: str
    run: Callable[[Victim], Outcome]
    refusal: str
