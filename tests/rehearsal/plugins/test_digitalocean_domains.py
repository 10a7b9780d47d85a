"""Domains and records of the DigitalOcean emulator against the API of the rehearsal cloud."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.support.client import UNLIMITED, Client, running

DOMAIN = "digitalocean:index/domain:Domain"
RECORD = "digitalocean:index/dnsRecord:DnsRecord"
MAIL = {
    "domain": "example.com",
    "type": "MX",
    "name": "@",
    "value": "mail.example.com.",
    "priority": 0,
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    state: Path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE", str(state))
        config = CloudConfig(
            name="domains",
            index=15,
            machines="memory",
            port=1,
            token="t" * 64,
            spaces_key="key",
            spaces_secret="secret",
        )
        config.save()
        with running(config, MemoryMachines(config), UNLIMITED) as client:
            yield client


@pytest.fixture
def plugin(api: Client) -> Iterator[Driver]:
    driver = Driver(PACKAGE, {"token": "t" * 64, "apiEndpoint": api.url})
    assert driver.create(DOMAIN, {"name": "example.com"})[0] == "example.com"
    yield driver
    api.http.delete(f"{api.url}/v2/domains/example.com")


def test_domain_lifecycle(api: Client) -> None:
    driver = Driver(PACKAGE, {"token": "t" * 64, "apiEndpoint": api.url})
    desired = {"name": "other.com", "ipAddress": "192.0.2.1"}
    id, state = driver.create(DOMAIN, desired)
    assert (id, state["ttl"], state["domainUrn"]) == ("other.com", 1800, "do:domain:other.com")
    assert driver.diff(DOMAIN, state, desired).keys == []
    assert driver.diff(DOMAIN, state, desired | {"ipAddress": "192.0.2.2"}).replaces == [
        "ipAddress"
    ]
    assert driver.read(DOMAIN, id)[1]["name"] == "other.com"
    with pytest.raises(
        PluginError, match=r"Error creating Domain: .*domain 'other.com': name already exists"
    ):
        driver.create(DOMAIN, desired)
    driver.delete(DOMAIN, id, state)
    assert driver.read(DOMAIN, id, state)[0] == ""


@pytest.mark.parametrize(
    "desired",
    [
        {"type": "A", "name": "www", "value": "192.0.2.1", "ttl": 60},
        {"type": "A", "name": "www.example.com.", "value": "192.0.2.1"},
        {"type": "TXT", "name": "example.com.", "value": "v=spf1 -all"},
        {"type": "CNAME", "name": "www", "value": "a.example.net."},
        {"type": "MX", "name": "@", "value": "example.com.", "priority": 10},
        {
            "type": "SRV",
            "name": "_s._tcp",
            "value": "s.example.com.",
            "priority": 0,
            "port": 0,
            "weight": 0,
        },
        {"type": "CAA", "name": "@", "value": "ca.example.net.", "flags": 0, "tag": "issue"},
        {"type": "CAA", "name": "@", "value": "mailto:ca@example.com", "flags": 0, "tag": "iodef"},
        {"type": "A", "value": "192.0.2.1"},
    ],
)
def test_a_record_has_no_differences_after_create_and_import(
    plugin: Driver, desired: State
) -> None:
    desired = {"domain": "example.com", **desired}
    id, state = plugin.create(RECORD, desired)
    named = desired | {"name": desired.get("name", state["name"])}
    assert plugin.diff(RECORD, state, named).keys == []
    refreshed, state, _ = plugin.read(RECORD, id, state, named)
    assert refreshed == id
    assert plugin.diff(RECORD, state, named).keys == []
    imported, state, _ = plugin.read(RECORD, f"example.com,{id}")
    assert (imported, state["fqdn"].endswith("example.com")) == (id, True)
    assert plugin.diff(RECORD, state, named).keys == []


def test_only_type_and_domain_of_a_record_replace_it(plugin: Driver) -> None:
    id, state = plugin.create(RECORD, MAIL)
    assert (state["fqdn"], state["priority"], state["ttl"]) == ("example.com", 0, 1800)
    desired = MAIL | {"value": "mail2.example.com.", "priority": 5, "ttl": 300, "name": "in"}
    found = plugin.diff(RECORD, state, desired)
    assert (sorted(found.keys), found.replaces) == (["name", "priority", "ttl", "value"], [])
    changed = plugin.update(RECORD, id, state, desired)
    assert {key: changed[key] for key in desired} == desired
    assert changed["fqdn"] == "in.example.com"
    assert plugin.diff(RECORD, changed, desired | {"type": "NS"}).replaces == ["type"]
    assert plugin.diff(RECORD, changed, desired | {"domain": "example.net"}).replaces == ["domain"]
    with pytest.raises(
        PluginError, match=r"Failed to update record: .*Data needs to end with a dot \(\.\)"
    ):
        plugin.update(RECORD, id, changed, desired | {"value": "mail"})
    plugin.delete(RECORD, id, changed)
    plugin.delete(RECORD, id, changed)
    assert plugin.read(RECORD, id, changed)[0] == ""


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (
            {"priority": 65536},
            "priority: expected priority to be in the range (0 - 65535), got 65536",
        ),
        (
            {"type": "PTR"},
            "type: expected type to be one of A, AAAA, CAA, CNAME, MX, NS, TXT, SRV, SOA, got PTR",
        ),
        (
            {"type": "CAA", "tag": "all", "flags": 0},
            "tag: expected tag to be one of issue, issuewild, iodef, got all",
        ),
    ],
)
def test_an_invalid_record_is_refused(plugin: Driver, change: dict[str, Any], failure: str) -> None:
    key, reason = failure.split(": ")
    assert plugin.check(RECORD, MAIL | change)[1] == [f"{key}: thing: {reason}"]


def test_an_import_without_a_domain_is_refused(plugin: Driver) -> None:
    with pytest.raises(
        PluginError, match="import by the domain's name, a comma and the record's id"
    ):
        plugin.read(RECORD, "17")
