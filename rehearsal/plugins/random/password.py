"""Passwords."""

import random
import string
from typing import ClassVar

import bcrypt

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.resource import Change
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, map_of
from rehearsal.plugins.values import UNKNOWN

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
BCRYPT_COST = 10
BCRYPT_BYTES = 72
"""More than that bcrypt cannot tell apart, so the official plugin leaves it out."""

ALLOWED = Property(BOOLEAN, default=True, replaces=True)
AT_LEAST = Property(INTEGER, default=0, replaces=True)
LEASTS = ("minLower", "minUpper", "minNumeric", "minSpecial")
DIGITS = Property(BOOLEAN, computed=True, replaces=True)
"""``number`` is the old name of ``numeric``: each follows the other."""


class RandomPassword(LocalResource[random.SystemRandom]):
    """Characters from the system's source of randomness."""

    token = "random:index/randomPassword:RandomPassword"
    properties: ClassVar[Properties] = {
        "keepers": Property(map_of(STRING), replaces=True),
        "length": Property(INTEGER, required=True, replaces=True),
        "lower": ALLOWED,
        "minLower": AT_LEAST,
        "minNumeric": AT_LEAST,
        "minSpecial": AT_LEAST,
        "minUpper": AT_LEAST,
        "number": DIGITS,
        "numeric": DIGITS,
        "overrideSpecial": Property(STRING, replaces=True),
        "special": ALLOWED,
        "upper": ALLOWED,
        "bcryptHash": Property(STRING, input=False, secret=True),
        "result": Property(STRING, input=False, secret=True),
    }

    def check(self, inputs: State) -> list[Failure]:
        number, numeric = inputs.get("number"), inputs.get("numeric")
        if UNKNOWN not in (number, numeric) and None not in (number, numeric) and number != numeric:
            return [
                Failure("number", "Number and numeric are both configured with different values")
            ]
        if not any((_digits(inputs), inputs["lower"], inputs["upper"], inputs["special"])):
            return [
                Failure("numeric", "at least one of special, upper, lower or numeric must be true")
            ]
        leasts = [inputs.get(key) or 0 for key in LEASTS]
        if UNKNOWN in (inputs["length"], *leasts):
            return []
        least = max(1, sum(leasts))
        return (
            []
            if inputs["length"] >= least
            else [Failure("length", f"must be at least {least}, got: {inputs['length']}")]
        )

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """Digits that are no longer forbidden are allowed."""
        if (
            old.get("numeric") is False
            and _digits(new) is True
            and not any(item.key in ("number", "numeric") for item in found)
        ):
            return [*found, Difference("numeric", replaces=True)]
        return found

    def create(self, change: Change) -> None:
        new, source = change.new, self.client
        kinds = (
            (string.ascii_lowercase, new["lower"], new["minLower"]),
            (string.ascii_uppercase, new["upper"], new["minUpper"]),
            (string.digits, _digits(new), new["minNumeric"]),
            (new.get("overrideSpecial") or SPECIAL, new["special"], new["minSpecial"]),
        )
        picked = [source.choice(characters) for characters, _, least in kinds for _ in range(least)]
        every = "".join(characters for characters, allowed, _ in kinds if allowed)
        picked += [source.choice(every) for _ in range(new["length"] - len(picked))]
        source.shuffle(picked)
        change.id = "none"
        change.learned.update(_results("".join(picked)), number=_digits(new), numeric=_digits(new))

    def read(self, resource_id: str, state: State) -> State | None:
        """On an import the id is the password itself; kept is the id of them all."""
        if state:
            return {}
        defaults = {
            key: item.default for key, item in self.properties.items() if item.default is not None
        }
        found = {"id": "none", "length": len(resource_id.encode()), "number": True, "numeric": True}
        return defaults | found | _results(resource_id)


def _digits(inputs: State) -> bool | str:
    """Whether there may be digits; unknown when the program does not know it yet."""
    given = [inputs[key] for key in ("numeric", "number") if inputs.get(key) is not None]
    return given[0] if given else True


def _results(password: str) -> State:
    hashed = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_COST, b"2a"))
    return {"result": password, "bcryptHash": hashed.decode()}
