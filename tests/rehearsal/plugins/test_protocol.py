"""Every property of every resource through the engine's protocol.

Covers unknown values in previews, secrets in responses and official defaults.
"""

import asyncio
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import values
from rehearsal.plugins.digitalocean.droplet import Droplet
from rehearsal.plugins.digitalocean.load_balancer import LoadBalancer
from rehearsal.plugins.naming import to_camel_case
from rehearsal.plugins.properties import State
from rehearsal.plugins.resource import Package, Resource
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.driver import Driver, urn
from tests.rehearsal.plugins.support.packages import PACKAGES, RESOURCES
from tests.rehearsal.plugins.support.recorded import DATACENTER
from tests.rehearsal.plugins.support.samples import (
    SETTABLE,
    checked,
    name_of,
    required,
    sample,
    state_of,
)
from tests.rehearsal.plugins.support.service import Call, Reply, Service

DOCUMENTED = re.compile(r"[Dd]efault(?:s to|:| value is|s to the value)\s+`(\w+)`")
SET_BY_SERVICE = {
    "network",
    "networkStack",
    "projectId",
    "size",
    "sizeUnit",
    "tlsCipherPolicy",
    "ttl",
    "type",
}
"""Properties whose default the service sets, not the plugin."""
SYNONYMS = {"number", "numeric"}
"""Tested in test_random.py."""
EXTRA_INPUTS: dict[str, State] = {
    "CertRequest": {"privateKeyPem": "pem"},
    "Certificate": {"type": "custom"},
    "ConfigEntry": {"kind": "service-defaults", "configJson": '{"Protocol": "tcp"}'},
    "DnsRecord": {"type": "A"},
    "Job": {"json": True},
    "LoadBalancer": {"region": "nyc3"},
    "LocallySignedCert": {
        "caPrivateKeyPem": "pem",
        "allowedUses": ["server_auth"],
        "validityPeriodHours": 1,
    },
    "Firewall": {"inboundRules": [{"protocol": "icmp"}]},
    "PrivateKey": {"algorithm": "ED25519"},
    "SelfSignedCert": {
        "privateKeyPem": "pem",
        "allowedUses": ["server_auth"],
        "validityPeriodHours": 1,
    },
}
"""Further inputs that the checks of a resource require."""
INPUTS_FOR_PROPERTY: dict[str, State] = {
    "backupPolicy": {"backups": True},
    "domains": {"type": "lets_encrypt"},
    "inboundRules": {"outboundRules": [{"protocol": "icmp"}]},
}
"""Further inputs that a property requires."""


def package_of(kind: type[Resource[Any]]) -> Package[Any]:
    return next(package for package in PACKAGES if kind in package.resources)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service without any objects."""

    def answer(call: Call) -> Reply:
        if call.path.startswith("/v1/agent/self"):
            return Reply(body=DATACENTER)
        return Reply(body={}) if "/plan" in call.path else Reply(404, {"message": "nothing here"})

    with Service(answer) as found:
        yield found


@pytest.fixture(scope="module")
def drivers(service: Service) -> dict[str, Driver]:
    config = {
        "digitalocean": {"token": "t", "apiEndpoint": service.url},
        "nomad": {"address": service.url},
        "consul": {"address": service.address, "scheme": "http"},
    }
    return {package.name: Driver(package, config.get(package.name, {})) for package in PACKAGES}


def required_inputs(kind: type[Resource[Any]], key: str) -> State:
    """Return the inputs that a resource requires besides a property."""
    return {
        **required(kind),
        **EXTRA_INPUTS.get(kind.__name__, {}),
        **INPUTS_FOR_PROPERTY.get(key, {}),
    }


def driver_of(drivers: dict[str, Driver], kind: type[Resource[Any]]) -> Driver:
    return drivers[package_of(kind).name]


NEEDED_IN_A_PLAN = [(LoadBalancer, "region")]
"""Properties without which the official plugins refuse a plan, also if they are unknown."""
REPLACES_IF_UNKNOWN = [(Droplet, "ipv6")]
"""Properties of which one value replaces the resource."""


@pytest.mark.parametrize(
    ("kind", "key"), [case for case in SETTABLE if case not in NEEDED_IN_A_PLAN], ids=name_of
)
def test_a_preview_accepts_unknown_values(
    drivers: dict[str, Driver], service: Service, kind: type[Resource[Any]], key: str
) -> None:
    """Check, diff, and previews of create and update accept unknown values and change nothing."""
    driver, item = driver_of(drivers, kind), kind.properties[key]
    before = len(service.calls)
    desired = {**required_inputs(kind, key), key: UNKNOWN}
    assert driver.inputs(kind.token, desired)[key] == UNKNOWN

    resource_id, planned = driver.create(kind.token, desired, preview=True)
    assert (resource_id, planned[key]) == ("", UNKNOWN)
    outputs = [name for name, one in kind.properties.items() if not one.input]
    assert {name: planned.get(name) for name in outputs} == dict.fromkeys(outputs, UNKNOWN)

    resolved = {**required_inputs(kind, key), key: sample(item.kind, 1, key)}
    state = state_of(kind, checked(kind, resolved))
    found = driver.diff(kind.token, state, desired)
    assert key in found.keys
    assert (key in found.replaces) == (item.replaces or (kind, key) in REPLACES_IF_UNKNOWN)
    if not found.replaces:
        assert driver.update(kind.token, "1", state, desired, preview=True)[key] == UNKNOWN
    assert [
        call.method
        for call in service.calls[before:]
        if call.method != "GET" and "/plan" not in call.path
    ] == []


@pytest.mark.parametrize("kind", RESOURCES, ids=name_of)
def test_secret_properties_are_secret_in_every_response(
    drivers: dict[str, Driver], kind: type[Resource[Any]]
) -> None:
    plugin, name = driver_of(drivers, kind).plugin, urn(kind.token, "thing")
    secret = {key for key, item in kind.properties.items() if item.secret}
    given = {
        key: sample(item.kind, 1, key)
        for key, item in kind.properties.items()
        if item.input and item.supported and item.secret
    }
    news = values.to_engine({**required_inputs(kind, ""), **given})
    inputs = asyncio.run(plugin.check(engine.CheckRequest(name, {}, news, b"seed"))).inputs or {}
    assert {key for key, value in inputs.items() if value.is_secret} == secret & set(given)
    made = asyncio.run(plugin.create(engine.CreateRequest(name, inputs, 0, True))).properties
    assert {key for key, value in made.items() if value.is_secret} == secret & set(made)
    assert {key for key, item in kind.properties.items() if item.secret and not item.input} <= set(
        made
    )


@pytest.mark.parametrize("kind", RESOURCES, ids=name_of)
def test_omitted_properties_have_the_documented_default(
    drivers: dict[str, Driver], kind: type[Resource[Any]]
) -> None:
    """The documentation in the Python SDK names the default of each property."""
    arguments = getattr(
        import_module(f"pulumi_{package_of(kind).name}"), f"{kind.token.rpartition(':')[2]}Args"
    )
    _, planned = driver_of(drivers, kind).create(
        kind.token, required_inputs(kind, ""), preview=True
    )
    for documentation in (inspect.getdoc(arguments.__init__) or "").split(":param ")[1:]:
        key = to_camel_case(documentation.partition(":")[0].split()[-1])
        default = DOCUMENTED.search(documentation)
        item = kind.properties.get(key)  # the SDK may be of a later version than the tables
        if (
            item
            and default
            and item.supported
            and not item.required
            and key not in SET_BY_SERVICE | SYNONYMS
        ):
            assert str(planned.get(key)).lower() == default[1].lower(), key
