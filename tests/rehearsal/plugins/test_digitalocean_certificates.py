"""Certificates and load balancers of the DigitalOcean emulator against the rehearsal cloud."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.plugins.digitalocean import certificate
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PartialFailureError, PluginError
from rehearsal.plugins.values import UNKNOWN
from rehearsal.times import CertificateTimes, Times
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.issuing import Issued, issue

CERTIFICATE = "digitalocean:index/certificate:Certificate"
BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"
HTTP = {"entryPort": 80, "entryProtocol": "http", "targetPort": 8085, "targetProtocol": "http"}
HTTPS = {"entryPort": 443, "entryProtocol": "https", "targetPort": 8085, "targetProtocol": "http"}
EDGE: State = {"name": "edge", "region": "nyc3", "dropletTag": "web"}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    monkeypatch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)
    times = Times(certificate=CertificateTimes(create=0.5))
    config = CloudConfig(
        name="certified",
        index=15,
        machines="memory",
        port=1,
        token="t" * 64,
        spaces_key="key",
        spaces_secret="secret",
        times=times,
    )
    config.save()
    with running(config, MemoryMachines(config), UNLIMITED) as client:
        client("POST", "/v2/domains", {"name": "example.com"}, 201)
        yield client


@pytest.fixture
def plugin(api: Client) -> Driver:
    return Driver(PACKAGE, {"token": "t" * 64, "apiEndpoint": api.url})


def upload_inputs(one: Issued) -> State:
    return {"name": "web", "privateKey": one.key_pem, "leafCertificate": one.pem, "type": "custom"}


def test_an_uploaded_certificate_is_identified_by_its_name(api: Client, plugin: Driver) -> None:
    one = issue("one", "www.example.com")
    id, state = plugin.create(CERTIFICATE, upload_inputs(one))
    (made,) = api("GET", "/v2/certificates")["certificates"]
    assert (id, state["uuid"], state["state"], state["domains"]) == (
        "web",
        made["id"],
        "verified",
        ["www.example.com"],
    )
    assert state["privateKey"] == hashlib.sha1(one.key_pem.encode()).hexdigest()
    assert plugin.diff(CERTIFICATE, state, upload_inputs(one)).keys == []
    assert plugin.diff(CERTIFICATE, state, upload_inputs(issue("other"))).replaces == [
        "leafCertificate",
        "privateKey",
    ]
    refreshed, again, _ = plugin.read(CERTIFICATE, id, state, upload_inputs(one))
    assert (refreshed, again["sha1Fingerprint"]) == ("web", made["sha1_fingerprint"])
    assert plugin.diff(CERTIFICATE, again, upload_inputs(one)).keys == []
    imported, found, inputs = plugin.read(CERTIFICATE, "web")
    assert (imported, found["uuid"]) == ("web", made["id"])
    assert "privateKey" not in inputs
    plugin.delete(CERTIFICATE, id, state)
    assert plugin.read(CERTIFICATE, id, state)[0] == ""
    plugin.delete(CERTIFICATE, id, state)


def test_create_waits_for_lets_encrypt(api: Client, plugin: Driver) -> None:
    desired: State = {
        "name": "le",
        "type": "lets_encrypt",
        "domains": ["www.example.com", "example.com"],
    }
    id, state = plugin.create(CERTIFICATE, desired)
    assert (id, state["state"], state["notAfter"][-1]) == ("le", "verified", "Z")
    assert (
        plugin.diff(
            CERTIFICATE, state, {**desired, "domains": ["example.com", "www.example.com"]}
        ).keys
        == []
    )
    assert plugin.diff(CERTIFICATE, state, {**desired, "domains": ["example.com"]}).replaces == [
        "domains"
    ]


def test_a_failed_certificate_is_a_partial_failure(
    api: Client, plugin: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = DigitalOcean.call

    def lose_the_domain(self: Any, method: str, path: str, *more: Any, **named: Any) -> Any:
        answer = called(self, method, path, *more, **named)
        if method == "POST":
            api("DELETE", "/v2/domains/example.com", expect=204)
        return answer

    monkeypatch.setattr(DigitalOcean, "call", lose_the_domain)
    with pytest.raises(PartialFailureError, match="unexpected state 'error'"):
        plugin.create(
            CERTIFICATE, {"name": "le", "type": "lets_encrypt", "domains": ["example.com"]}
        )


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (
            {"type": "custom", "leafCertificate": "x"},
            "`private_key` is required for when type is `custom` or empty",
        ),
        (
            {"type": "custom", "privateKey": "x"},
            "`leaf_certificate` is required for when type is `custom` or empty",
        ),
        ({"type": "lets_encrypt"}, "`domains` is required for when type is `lets_encrypt`"),
        (
            {"type": "custom", "privateKey": "x", "leafCertificate": "x"},
            "Error creating Certificate: .*private_key is not",
        ),
    ],
)
def test_a_missing_or_invalid_property_is_reported(
    plugin: Driver, desired: State, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        plugin.create(CERTIFICATE, {"name": "web", **desired})


def test_check_finds_invalid_properties(plugin: Driver) -> None:
    _, failures = plugin.check(CERTIFICATE, {"type": "other"})
    assert any("expected type to be one of" in failure for failure in failures)
    _, failures = plugin.check(CERTIFICATE, {"domains": ["example.com"], "privateKey": UNKNOWN})
    assert any("conflicts with private_key" in failure for failure in failures)
    inputs, failures = plugin.check(
        CERTIFICATE, {"privateKey": UNKNOWN, "leafCertificate": UNKNOWN}
    )
    assert (inputs["type"], failures) == ("custom", [])


@pytest.mark.parametrize("key", ["certificateName", "certificateId"])
def test_a_load_balancer_accepts_certificate_names(api: Client, plugin: Driver, key: str) -> None:
    plugin.create(CERTIFICATE, upload_inputs(issue("one", "www.example.com")))
    (made,) = api("GET", "/v2/certificates")["certificates"]
    desired: State = {**EDGE, "forwardingRules": [HTTP, {**HTTPS, key: "web"}]}
    id, state = plugin.create(BALANCER, desired)
    rules = api("GET", f"/v2/load_balancers/{id}")["load_balancer"]["forwarding_rules"]
    assert [rule["certificate_id"] for rule in rules] == ["", made["id"]]
    assert {
        (rule["certificateId"], rule["certificateName"]) for rule in state["forwardingRules"]
    } == {("", ""), ("web", "web")}
    assert plugin.diff(BALANCER, state, desired).keys == []
    other = {**desired, "forwardingRules": [HTTP, {**HTTPS, key: "other"}]}
    assert plugin.diff(BALANCER, state, other).keys == ["forwardingRules"]
    with pytest.raises(PluginError, match="ertificate"):
        plugin.update(BALANCER, id, state, other)
    plugin.delete(BALANCER, id, state)


def test_a_load_balancer_accepts_a_certificate_id_of_the_api(api: Client, plugin: Driver) -> None:
    plugin.create(CERTIFICATE, upload_inputs(issue("one", "www.example.com")))
    (made,) = api("GET", "/v2/certificates")["certificates"]
    id, _ = plugin.create(
        BALANCER, {**EDGE, "forwardingRules": [{**HTTPS, "certificateId": made["id"]}]}
    )
    (rule,) = api("GET", f"/v2/load_balancers/{id}")["load_balancer"]["forwarding_rules"]
    assert rule["certificate_id"] == made["id"]


def test_deleting_a_certificate_in_use_fails_after_a_timeout(
    api: Client, plugin: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, state = plugin.create(CERTIFICATE, upload_inputs(issue("one", "www.example.com")))
    id, _ = plugin.create(
        BALANCER, {**EDGE, "forwardingRules": [{**HTTPS, "certificateName": "web"}]}
    )
    monkeypatch.setattr(certificate, "RELEASE_TIMEOUT_S", 0.1)
    with pytest.raises(PluginError, match="being used by one or more load balancers"):
        plugin.delete(CERTIFICATE, one, state)
    api("DELETE", f"/v2/load_balancers/{id}", expect=204)
    plugin.delete(CERTIFICATE, one, state)
    assert api("GET", "/v2/certificates")["certificates"] == []
