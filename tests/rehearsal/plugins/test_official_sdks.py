"""The property tables of random and TLS against the Python SDKs.

The SDKs are generated from the official schemas.
"""

import inspect
import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

import pulumi
import pulumi_random
import pulumi_tls
import pytest

from rehearsal.plugins.naming import to_camel_case, to_snake_case
from rehearsal.plugins.properties import Kind
from rehearsal.plugins.resource import Resource
from tests.rehearsal.plugins.support.packages import RESOURCES
from tests.rehearsal.plugins.support.samples import name_of

SDKS: dict[str, types.ModuleType] = {"random": pulumi_random, "tls": pulumi_tls}
KINDS = [kind for kind in RESOURCES if kind.token.partition(":")[0] in SDKS]
DOCUMENTED = re.compile(r":param pulumi\.Input\[.*?\] (\w+): .*?[Dd]efault(?:: | value is )`(\w+)`")
SYNONYMS = ("number", "numeric")
"""Tested in test_random.py: a table cannot express this."""
SCALARS: dict[type, str] = {str: "string", bool: "boolean", int: "integer"}


def sdk(kind: type[Resource[Any]], suffix: str = "") -> Any:
    return getattr(SDKS[kind.token.partition(":")[0]], kind.__name__ + suffix)


def arguments(made: Any) -> dict[str, inspect.Parameter]:
    """Return the constructor parameters by their names in the schema."""
    found = inspect.signature(made.__init__).parameters
    return {
        to_camel_case(name): parameter for name, parameter in found.items() if name != "__self__"
    }


def assert_same_type(kind: Kind, hint: Any) -> None:
    """Assert that both types are equal, including nested types."""
    if get_origin(hint) is pulumi.Output or get_origin(hint) in (Union, types.UnionType):
        assert_same_type(kind, next(item for item in get_args(hint) if item is not type(None)))
    elif get_origin(hint) is not None and issubclass(get_origin(hint), Mapping):
        assert kind.name == "map"
        assert kind.items
        assert_same_type(kind.items, get_args(hint)[1])
    elif get_origin(hint) is not None and issubclass(get_origin(hint), Sequence):
        assert kind.name == "list"
        assert kind.items
        assert_same_type(kind.items, get_args(hint)[0])
    elif hint in SCALARS:
        assert kind.name == SCALARS[hint]
    else:
        assert kind.name == "object"
        assert set(kind.fields) == set(arguments(hint))
        for key, item in kind.fields.items():
            assert_same_type(
                item.kind, get_type_hints(vars(hint)[to_snake_case(key)].fget)["return"]
            )


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_resource_has_the_official_properties(kind: type[Resource[Any]]) -> None:
    wanted = arguments(sdk(kind, "Args"))
    made = {
        to_camel_case(name): item
        for name, item in vars(sdk(kind)).items()
        if isinstance(item, property)
    }
    inputs = {key: item for key, item in kind.properties.items() if item.input}

    assert set(inputs) == set(wanted)
    assert set(kind.properties) == set(made)
    assert {key for key, item in inputs.items() if item.required} == {
        key for key, item in wanted.items() if item.default is item.empty
    }
    for key, item in kind.properties.items():
        assert_same_type(item.kind, get_type_hints(made[key].fget)["return"])


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_the_official_secrets_are_secret(kind: type[Resource[Any]]) -> None:
    named = re.search(r"additional_secret_outputs=\[(.*?)\]", inspect.getsource(sdk(kind)))
    assert {key for key, item in kind.properties.items() if item.secret} == set(
        re.findall(r'"(\w+)"', named[1] if named else "")
    )


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_the_token_is_the_official_one(kind: type[Resource[Any]]) -> None:
    assert sdk(kind).pulumi_type == kind.token


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.__name__ != "CertRequest"], ids=name_of
)
def test_defaults_are_the_documented_ones(kind: type[Resource[Any]]) -> None:
    documented = dict(re.findall(DOCUMENTED, inspect.getdoc(sdk(kind, "Args").__init__) or ""))
    defaults = {
        to_camel_case(name): value for name, value in documented.items() if name not in SYNONYMS
    }
    assert defaults
    assert {key: str(kind.properties[key].default).lower() for key in defaults} == {
        key: value.lower() for key, value in defaults.items()
    }
