"""The Nomad and Consul emulators make the recorded calls and return the recorded states."""

from typing import Any

import pytest

from rehearsal.plugins.consul.package import PACKAGE as CONSUL
from rehearsal.plugins.nomad.package import PACKAGE as NOMAD
from rehearsal.plugins.resource import Package
from tests.rehearsal.plugins.support.driver import Driver
from tests.rehearsal.plugins.support.recorded import (
    Recorded,
    Replay,
    calls_about,
    load_state,
    load_steps,
    program_inputs,
    without_repetitions,
    without_zero_values,
)
from tests.rehearsal.plugins.support.service import Service

ENGINE_KEYS = {"__meta", "__pulumi_raw_state_delta"}

FIRST = "first program, step 1"
SECOND = "second program"

ACLS = {
    "consul:index/aclPolicy:AclPolicy": ("/acl/policy?", "/acl/policy/39b7cca1"),
    "consul:index/aclRole:AclRole": ("/acl/role", "/acl/policy/p1", "/acl/policy/name/p1"),
    "consul:index/aclToken:AclToken": ("/acl/token",),
    "consul:index/aclAuthMethod:AclAuthMethod": ("/acl/auth-method",),
    "consul:index/aclBindingRule:AclBindingRule": ("/acl/binding-rule",),
}

CASES = [
    (
        NOMAD,
        "nomad:index/job:Job",
        FIRST,
        "up step 1",
        ("/job/parity", "/jobs", "/evaluation/", "/deployment/"),
    ),
    (NOMAD, "nomad:index/namespace:Namespace", FIRST, "up step 1", ("/namespace",)),
    (CONSUL, "consul:index/keyPrefix:KeyPrefix", FIRST, "up step 1", ("/kv/parity",)),
    (CONSUL, "consul:index/configEntry:ConfigEntry", FIRST, "up step 1", ("/config",)),
    (CONSUL, "consul:index/keys:Keys", SECOND, "second program: up", ("/kv/a/b",)),
    *((CONSUL, token, SECOND, "second program: up", words) for token, words in ACLS.items()),
]

COMPARED_AS_TEXT = ("ConfigEntry", "AclAuthMethod")
"""Types whose recorded JSON has another format than the service returns."""

PUT_PATHS = {"/v1/config?dc=dc1", "/v1/catalog/register?dc=dc1"}


def driver(package: Package[Any], service: Service) -> Driver:
    return Driver(package, {"address": service.url})


@pytest.mark.parametrize(
    ("package", "token", "part", "step", "words"),
    CASES,
    ids=lambda case: str(case).rpartition(":")[2][:20],
)
def test_a_create_makes_the_recorded_calls_and_state(
    package: Package[Any], token: str, part: str, step: str, words: tuple[str, ...]
) -> None:
    recording = load_steps(package.name)[step]
    official = load_state(token, part)
    with Service(Replay(recording)) as service:
        plugin = driver(package, service)
        checked = plugin.inputs(token, program_inputs(official["inputs"]))
        resource_id, outputs = plugin.create(token, program_inputs(official["inputs"]))
        made = [str(call) for call in service.calls if any(word in call.path for word in words)]
        again = plugin.diff(token, outputs, program_inputs(official["inputs"]))

    assert list(without_repetitions(iter(made))) == calls_about(recording, *words)
    assert checked == official["inputs"]
    assert resource_id == official["id"]
    assert outputs == {
        key: value
        for key, value in official["outputs"].items()
        if key not in ENGINE_KEYS and (value is not None or key in outputs)
    }
    assert again.keys == (["configJson"] if token.endswith(COMPARED_AS_TEXT) else [])


def test_request_bodies_match_the_recording() -> None:
    recording = load_steps("consul")["up step 1"]
    node, service_, entry = (
        load_state(f"consul:index/{name}")
        for name in ("node:Node", "service:Service", "configEntry:ConfigEntry")
    )
    with Service(Replay(recording)) as service:
        plugin = driver(CONSUL, service)
        node_id, node_state = plugin.create(node["type"], program_inputs(node["inputs"]))
        service_id, service_state = plugin.create(
            service_["type"], program_inputs(service_["inputs"])
        )
        plugin.create(entry["type"], program_inputs(entry["inputs"]))
        registered = service.bodies("PUT", "/v1/catalog/register?dc=dc1")
        entries = service.bodies("PUT", "/v1/config?dc=dc1")
        assert (
            plugin.diff(service_["type"], service_state, program_inputs(service_["inputs"])).keys
            == []
        )

    official = [call.body for call in recording if call.path == "/v1/catalog/register?dc=dc1"]
    assert [without_zero_values(body) for body in registered] == [
        without_zero_values(body) for body in official
    ]
    assert [without_zero_values(body) for body in entries] == [
        without_zero_values(call.body) for call in recording if call.path == "/v1/config?dc=dc1"
    ]
    assert (node_id, node_state) == (node["id"], node["outputs"])
    assert (service_id, service_state) == (service_["id"], service_["outputs"])


def test_deleting_a_service_and_a_node_matches_the_recording() -> None:
    recording = [call for call in load_steps("consul")["up step 2"] if "deregister" in call.path]
    with Service(Replay(recording)) as service:
        plugin = driver(CONSUL, service)
        for name in ("service:Service", "node:Node"):
            official = load_state(f"consul:index/{name}")
            plugin.delete(official["type"], official["id"], official["outputs"])
        bodies = service.bodies("PUT", "/v1/catalog/deregister?dc=dc1")
    assert [without_zero_values(body) for body in bodies] == [
        without_zero_values(call.body) for call in recording
    ]


def test_a_changed_job_is_planned_registered_and_monitored() -> None:
    recording = load_steps("nomad")["up step 2"]
    job = [call for call in recording if "/namespace" not in call.path]
    register = next(call for call in job if call.path.startswith("/v1/jobs"))
    official = load_state("nomad:index/job:Job")
    changed = {
        **program_inputs(official["inputs"]),
        "jobspec": register.body["Submission"]["Source"],
    }
    with Service(Replay(job)) as service:
        plugin = driver(NOMAD, service)
        diff = plugin.diff(official["type"], official["outputs"], changed)
        after = plugin.update(official["type"], "parity", official["outputs"], changed)
        made = list(without_repetitions(iter(service.request_lines)))
        assert (
            service.bodies("PUT", "/v1/jobs?namespace=default")[0]["Submission"]
            == register.body["Submission"]
        )

    assert diff.keys == ["allocationIds", "jobspec", "modifyIndex", "region", "status"]
    assert diff.replaces == []
    assert made == calls_about(job, "/")
    assert (after["version"], after["deploymentStatus"], after["modifyIndex"]) == (
        1,
        "successful",
        "47",
    )


def test_a_refresh_and_a_destroy_make_the_recorded_calls() -> None:
    recording = load_steps("nomad")
    official = load_state("nomad:index/job:Job")
    with Service(Replay(recording["refresh"] + recording["destroy"])) as service:
        plugin = driver(NOMAD, service)
        plugin.read(official["type"], "parity", official["outputs"], official["inputs"])
        plugin.delete(official["type"], "parity", official["outputs"])
        made = service.request_lines
    assert made == [
        "GET /v1/job/parity?namespace=default",
        "GET /v1/job/parity/submission?namespace=default&version=1",
        "DELETE /v1/job/parity?namespace=default&purge=true",
    ]


def test_only_complete_config_entries_have_no_differences() -> None:
    recording = load_steps("consul")["second program: up"]
    token = "consul:index/configEntryServiceDefaults:ConfigEntryServiceDefaults"
    official = load_state(token, SECOND)
    short = program_inputs(official["inputs"])
    full = {
        **short,
        "meshGateways": [{"mode": ""}],
        "transparentProxies": [{"dialedDirectly": False, "outboundListenerPort": 0}],
    }
    with Service(Replay(recording)) as service:
        plugin = driver(CONSUL, service)
        resource_id, outputs = plugin.create(token, short)
        assert plugin.diff(token, outputs, short).keys == ["meshGateways", "transparentProxies"]
        assert plugin.diff(token, outputs, full).keys == []
        sent = service.bodies("PUT", "/v1/config?dc=dc1")
    assert (resource_id, outputs) == (official["id"], official["outputs"])
    assert [without_zero_values(body) for body in sent] == [
        without_zero_values(call.body) for call in _puts(recording, "service-defaults")
    ]


def test_intentions_have_no_differences() -> None:
    token = "consul:index/configEntryServiceIntentions:ConfigEntryServiceIntentions"
    official = load_state(token, SECOND)
    desired = program_inputs(official["inputs"])
    with Service(Replay(load_steps("consul")["second program: up"])) as service:
        plugin = driver(CONSUL, service)
        assert plugin.create(token, desired) == (official["id"], official["outputs"])
        assert plugin.diff(token, official["outputs"], desired).keys == []


@pytest.mark.parametrize(("token", "words"), ACLS.items())
def test_acl_requests_match_the_recording(token: str, words: tuple[str, ...]) -> None:
    recording = load_steps("consul")["second program: up"]
    path = next(
        call.path
        for call in recording
        if call.method == "PUT" and any(word in call.path for word in words)
    )
    with Service(Replay(recording)) as service:
        driver(CONSUL, service).create(token, program_inputs(load_state(token, SECOND)["inputs"]))
        assert [without_zero_values(body) for body in service.bodies("PUT", path)] == [
            without_zero_values(call.body) for call in recording if call.path == path
        ]


@pytest.mark.parametrize(("token", "words"), ACLS.items())
def test_acls_are_refreshed_and_destroyed_with_the_recorded_calls(
    token: str, words: tuple[str, ...]
) -> None:
    recording = (
        load_steps("consul")["second program: refresh"]
        + load_steps("consul")["second program: destroy"]
    )
    official = load_state(token, SECOND)
    with Service(Replay(recording)) as service:
        plugin = driver(CONSUL, service)
        found = plugin.read(
            official["type"], official["id"], official["outputs"], official["inputs"]
        )
        plugin.delete(official["type"], official["id"], official["outputs"])
        made = [call for call in service.request_lines if any(word in call for word in words)]
    assert made == calls_about(recording, *words)
    assert found[:2] == (official["id"], official["outputs"])


def _puts(calls: list[Recorded], kind: str) -> list[Recorded]:
    return [call for call in calls if call.path in PUT_PATHS and call.body.get("Kind") == kind]
