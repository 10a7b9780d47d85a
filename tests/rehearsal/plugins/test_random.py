"""Passwords of the random emulator."""

import string
from typing import Any

import bcrypt
import pytest

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.random.package import PACKAGE
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.driver import Driver, State

TOKEN = "random:index/randomPassword:RandomPassword"
NONE = {"lower": False, "upper": False, "numeric": False, "special": False}
CLASSES = {
    "minLower": string.ascii_lowercase,
    "minUpper": string.ascii_uppercase,
    "minNumeric": string.digits,
}


@pytest.fixture
def plugin() -> Driver:
    return Driver(PACKAGE, {})


@pytest.mark.parametrize(
    ("news", "alphabet"),
    [
        ({}, string.ascii_letters + string.digits + "!@#$%&*()-_=+[]{}<>:?"),
        ({"special": False}, string.ascii_letters + string.digits),
        ({"special": False, "upper": False}, string.ascii_lowercase + string.digits),
        ({"special": False, "numeric": False}, string.ascii_letters),
        ({"special": False, "number": False}, string.ascii_letters),
        (
            NONE | {"special": True, "overrideSpecial": "abcdef", "numeric": True},
            string.hexdigits[:16],
        ),
        (NONE | {"lower": True, "overrideSpecial": "!"}, string.ascii_lowercase),
    ],
)
def test_a_password_uses_exactly_the_allowed_characters(
    plugin: Driver, news: State, alphabet: str
) -> None:
    resource_id, state = plugin.create(TOKEN, {"length": 4000, **news})
    assert resource_id == "none"
    assert len(state["result"]) == 4000
    assert set(state["result"]) == set(alphabet)


def test_no_two_passwords_are_the_same(plugin: Driver) -> None:
    assert len({plugin.create(TOKEN, {"length": 32})[1]["result"] for _ in range(8)}) == 8


@pytest.mark.parametrize("key", CLASSES)
def test_a_password_has_the_minimum_of_each_class(plugin: Driver, key: str) -> None:
    _, state = plugin.create(
        TOKEN, {"length": 9, **NONE, "special": True, "overrideSpecial": "!", key: 8}
    )
    found = state["result"]
    assert sum(character in CLASSES[key] for character in found) == 8
    assert found.count("!") == 1


@pytest.mark.parametrize("length", [1, 72, 100])
def test_the_bcrypt_hash_covers_72_bytes_of_the_password(plugin: Driver, length: int) -> None:
    _, state = plugin.create(TOKEN, {"length": length})
    assert state["bcryptHash"].startswith("$2a$10$")
    assert bcrypt.checkpw(state["result"].encode()[:72], state["bcryptHash"].encode())
    assert not bcrypt.checkpw(state["result"].encode()[1:72] + b"\0", state["bcryptHash"].encode())


@pytest.mark.parametrize(
    ("news", "failure"),
    [
        ({"length": 0}, "length: thing: must be at least 1, got: 0"),
        (
            {"length": 5, "minLower": 3, "minNumeric": 3},
            "length: thing: must be at least 6, got: 5",
        ),
        (
            {"length": 5, "number": True, "numeric": False},
            "number: thing: Number and numeric are both configured with different values",
        ),
        (
            {"length": 5, **NONE},
            "numeric: thing: at least one of special, upper, lower or numeric must be true",
        ),
    ],
)
def test_impossible_inputs_are_refused(plugin: Driver, news: State, failure: str) -> None:
    assert plugin.check(TOKEN, news)[1] == [failure]


@pytest.mark.parametrize(
    "news",
    [
        {"length": UNKNOWN, "minLower": 3},
        {"length": 1, "minLower": UNKNOWN},
        {"length": 1, "numeric": UNKNOWN, "number": False},
        {"length": 1, **NONE, "numeric": UNKNOWN},
    ],
)
def test_unknown_inputs_pass_the_check(plugin: Driver, news: State) -> None:
    assert plugin.check(TOKEN, news)[1] == []


@pytest.mark.parametrize(
    ("was", "now", "replaces"),
    [
        ({}, {}, []),
        ({}, {"length": 17}, ["length"]),
        ({}, {"special": False}, ["special"]),
        ({}, {"keepers": {"turn": "2"}}, ["keepers"]),
        ({"keepers": {"turn": "1"}}, {"keepers": {"turn": "2"}}, ["keepers"]),
        ({}, {"numeric": True}, []),
        ({}, {"numeric": False}, ["numeric"]),
        ({"numeric": False}, {"number": False}, []),
        ({"number": False}, {"numeric": True}, ["numeric"]),
        ({"number": False}, {}, ["numeric"]),
        ({"numeric": False}, {}, ["numeric"]),
    ],
)
def test_a_changed_property_replaces_the_password(
    plugin: Driver, was: State, now: State, replaces: list[str]
) -> None:
    _, state = plugin.create(TOKEN, {"length": 16, **was})
    found = plugin.diff(TOKEN, state, {"length": 16, **now})
    assert (found.keys, found.replaces, found.delete_first) == (replaces, replaces, False)


def test_a_preview_generates_no_password(plugin: Driver) -> None:
    _, state = plugin.create(TOKEN, {"length": 16}, preview=True)
    assert {key: value for key, value in state.items() if value == UNKNOWN} == dict.fromkeys(
        ("bcryptHash", "number", "numeric", "result"), UNKNOWN
    )


def test_a_refresh_changes_nothing(plugin: Driver) -> None:
    news = {"length": 16, "special": False}
    inputs = plugin.inputs(TOKEN, news)
    resource_id, state = plugin.create(TOKEN, news)
    assert plugin.read(TOKEN, resource_id, state, inputs) == ("none", state, inputs)
    plugin.delete(TOKEN, resource_id, state)


def test_the_import_id_is_the_password_and_is_not_kept_as_id(plugin: Driver) -> None:
    resource_id, state, _ = plugin.read(TOKEN, "correct horse")
    assert resource_id == state["id"] == "none"
    assert (state["result"], state["length"]) == ("correct horse", 13)
    assert bcrypt.checkpw(b"correct horse", state["bcryptHash"].encode())
    assert plugin.diff(TOKEN, state, {"length": 13}).keys == []


def test_passwords_come_from_the_system_random_source(
    plugin: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system source is secure and cannot be seeded."""

    def broken(*_: Any) -> bytes:
        raise PluginError("no randomness")

    monkeypatch.setattr("random._urandom", broken)
    with pytest.raises(PluginError, match="no randomness"):
        plugin.create(TOKEN, {"length": 16})
