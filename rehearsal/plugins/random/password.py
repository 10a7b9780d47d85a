"""Random passwords."""

import random
import string
from typing import ClassVar

import bcrypt

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.local import LocalResource
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    map_of,
)
from rehearsal.plugins.resource import Change
from rehearsal.plugins.values import UNKNOWN

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
BCRYPT_COST = 10
BCRYPT_BYTES = 72
"""Bcrypt ignores further bytes, so the official plugin cuts them off."""

CHARACTERS_ALLOWED = Property(BOOLEAN, default=True, replaces=True)
MINIMUM = Property(INTEGER, default=0, replaces=True)
MINIMUM_KEYS = ("minLower", "minUpper", "minNumeric", "minSpecial")
DIGITS = Property(BOOLEAN, computed=True, replaces=True)
"""``number`` is the deprecated name of ``numeric``; setting one sets the other."""


class RandomPassword(LocalResource[random.SystemRandom]):
    """A password of characters from the system's random source."""

    token = "random:index/randomPassword:RandomPassword"
    properties: ClassVar[Properties] = {
        "keepers": Property(map_of(STRING), replaces=True),
        "length": Property(INTEGER, required=True, replaces=True),
        "lower": CHARACTERS_ALLOWED,
        "minLower": MINIMUM,
        "minNumeric": MINIMUM,
        "minSpecial": MINIMUM,
        "minUpper": MINIMUM,
        "number": DIGITS,
        "numeric": DIGITS,
        "overrideSpecial": Property(STRING, replaces=True),
        "special": CHARACTERS_ALLOWED,
        "upper": CHARACTERS_ALLOWED,
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
        minimums = [inputs.get(key) or 0 for key in MINIMUM_KEYS]
        if UNKNOWN in (inputs["length"], *minimums):
            return []
        minimum = max(1, sum(minimums))
        return (
            []
            if inputs["length"] >= minimum
            else [Failure("length", f"must be at least {minimum}, got: {inputs['length']}")]
        )

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Replace the password when digits become allowed again."""
        if (
            old.get("numeric") is False
            and _digits(new) is True
            and not any(item.key in ("number", "numeric") for item in differences)
        ):
            return [*differences, Difference("numeric", replaces=True)]
        return differences

    def create(self, change: Change) -> None:
        new, source = change.new, self.client
        classes = (
            (string.ascii_lowercase, new["lower"], new["minLower"]),
            (string.ascii_uppercase, new["upper"], new["minUpper"]),
            (string.digits, _digits(new), new["minNumeric"]),
            (new.get("overrideSpecial") or SPECIAL, new["special"], new["minSpecial"]),
        )
        password = [
            source.choice(characters) for characters, _, minimum in classes for _ in range(minimum)
        ]
        allowed_characters = "".join(characters for characters, allowed, _ in classes if allowed)
        password += [
            source.choice(allowed_characters) for _ in range(new["length"] - len(password))
        ]
        source.shuffle(password)
        change.id = "none"
        change.outputs.update(
            _results("".join(password)), number=_digits(new), numeric=_digits(new)
        )

    def read(self, resource_id: str, state: State) -> State | None:
        """Read the password. The id of an import is the password; the stored id is ``none``."""
        if state:
            return {}
        defaults = {
            key: item.default for key, item in self.properties.items() if item.default is not None
        }
        imported = {
            "id": "none",
            "length": len(resource_id.encode()),
            "number": True,
            "numeric": True,
        }
        return defaults | imported | _results(resource_id)


def _digits(inputs: State) -> bool | str:
    """Return whether digits are allowed, UNKNOWN if the program does not know it yet."""
    values = [inputs[key] for key in ("numeric", "number") if inputs.get(key) is not None]
    return values[0] if values else True


def _results(password: str) -> State:
    hashed = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], bcrypt.gensalt(BCRYPT_COST, b"2a"))
    return {"result": password, "bcryptHash": hashed.decode()}
