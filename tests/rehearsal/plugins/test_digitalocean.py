"""The DigitalOcean emulator against a scripted HTTP service."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rehearsal.plugins.digitalocean.droplet import Droplet
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PartialFailureError, PluginError
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.plugins.support.service import Call, Reply, Service

DROPLET = "digitalocean:index/droplet:Droplet"
VPC = "digitalocean:index/vpc:Vpc"
FIREWALL = "digitalocean:index/firewall:Firewall"
BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"
PROJECT = "digitalocean:index/project:Project"
KEY = "digitalocean:index/sshKey:SshKey"
SPACES_KEY = "digitalocean:index/spacesKey:SpacesKey"

Answers = dict[str, list[Reply] | Reply | Callable[[Call], Reply]]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DIGITALOCEAN_TOKEN",
        "DIGITALOCEAN_ACCESS_TOKEN",
        "DIGITALOCEAN_API_URL",
        "DIGITALOCEAN_HTTP_RETRY_MAX",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)


@contextmanager
def cloud(answers: Answers) -> Iterator[tuple[Service, Driver]]:
    """Run a service with responses by ``METHOD path``; the last one of a list is repeated."""

    def answer(call: Call) -> Reply:
        found = answers.get(
            str(call).partition("?")[0], Reply(404, {"id": "not_found", "message": "nothing here"})
        )
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Reply) else found(call)

    with Service(answer) as service:
        yield (
            service,
            Driver(
                PACKAGE,
                {
                    "token": "secret",
                    "apiEndpoint": service.url,
                    "httpRetryWaitMin": 0.01,
                    "httpRetryWaitMax": 0.02,
                },
            ),
        )


def droplet(**overrides: Any) -> dict[str, Any]:
    networks = {
        "v4": [
            {"type": "public", "ip_address": "198.18.0.20"},
            {"type": "private", "ip_address": "10.10.0.3"},
        ],
        "v6": [],
    }
    return {
        "droplet": {
            "id": 7,
            "name": "worker01nyc3",
            "memory": 1024,
            "vcpus": 1,
            "disk": 25,
            "locked": False,
            "status": "active",
            "created_at": "2026-01-01T00:00:00Z",
            "features": ["private_networking"],
            "image": {"id": 5, "slug": "debian-12-x64"},
            "size": {"slug": "s-1vcpu-1gb", "price_hourly": 0.00893, "price_monthly": 6.0},
            "networks": networks,
            "region": {"slug": "nyc3"},
            "tags": [],
            "volume_ids": [],
            "vpc_uuid": "vpc-1",
            **overrides,
        }
    }


INPUTS: State = {
    "image": "debian-12-x64",
    "region": "NYC3",
    "size": "s-1vcpu-1gb",
    "name": "worker01nyc3",
    "sshKeys": ["12", "aa:bb"],
}


def created_state() -> State:
    """Return the state of a droplet after its creation."""
    with cloud(
        {"POST /v2/droplets": Reply(202, droplet()), "GET /v2/droplets/7": Reply(body=droplet())}
    ) as (_, driver):
        return driver.create(DROPLET, INPUTS)[1]


def test_create_waits_for_an_active_droplet() -> None:
    new = droplet(status="new", locked=True)
    with cloud(
        {
            "POST /v2/droplets": Reply(202, new),
            "GET /v2/droplets/7": [Reply(body=new), Reply(body=droplet())],
        }
    ) as (service, driver):
        resource_id, state = driver.create(
            DROPLET, {**INPUTS, "userData": "#cloud-config", "tags": ["a"]}
        )

    assert resource_id == "7"
    assert service.request_lines == ["POST /v2/droplets", *["GET /v2/droplets/7"] * 3]
    assert service.calls[0].headers["Authorization"] == "Bearer secret"
    assert service.calls[0].body == {
        "name": "worker01nyc3",
        "region": "NYC3",
        "size": "s-1vcpu-1gb",
        "image": "debian-12-x64",
        "ssh_keys": [12, "aa:bb"],
        "backups": False,
        "ipv6": False,
        "private_networking": False,
        "monitoring": False,
        "tags": ["a"],
        "user_data": "#cloud-config",
    }
    assert (state["ipv4Address"], state["ipv4AddressPrivate"], state["region"]) == (
        "198.18.0.20",
        "10.10.0.3",
        "nyc3",
    )
    assert state["userData"] == hashlib.sha1(b"#cloud-config").hexdigest()
    assert set(state) <= set(Droplet.properties) | {"id"}


def test_an_image_by_number_is_sent_as_a_number() -> None:
    with cloud(
        {"POST /v2/droplets": Reply(202, droplet()), "GET /v2/droplets/7": Reply(body=droplet())}
    ) as (service, driver):
        driver.create(DROPLET, {**INPUTS, "image": "129211873"})
    assert service.calls[0].body["image"] == 129211873


def test_a_preview_sends_no_request_and_returns_unknown_outputs() -> None:
    with cloud({}) as (service, driver):
        resource_id, state = driver.create(DROPLET, INPUTS, preview=True)
    assert (service.calls, resource_id) == ([], "")
    assert (state["name"], state["ipv4Address"], state["vpcUuid"]) == (
        "worker01nyc3",
        UNKNOWN,
        UNKNOWN,
    )


def test_a_droplet_that_does_not_become_active_is_a_partial_failure() -> None:
    answers: Answers = {
        "POST /v2/droplets": Reply(202, droplet()),
        "GET /v2/droplets/7": Reply(body=droplet(status="archive")),
    }
    with (
        cloud(answers) as (_, driver),
        pytest.raises(PartialFailureError, match="unexpected state 'archive'") as failure,
    ):
        driver.create(DROPLET, INPUTS)
    assert (failure.value.resource_id, failure.value.state["status"]) == ("7", "archive")


def test_custom_timeouts_end_the_wait() -> None:
    answers: Answers = {
        "POST /v2/droplets": Reply(202, droplet()),
        "GET /v2/droplets/7": Reply(body=droplet(status="new")),
    }
    message = r"timeout while waiting for droplet 7 .*timeout: 0.05s"
    with cloud(answers) as (_, driver), pytest.raises(PartialFailureError, match=message):
        driver.create(DROPLET, INPUTS, seconds=0.05)


def test_an_api_error_is_reported_with_status_and_message() -> None:
    refusal = Reply(
        422, {"id": "unprocessable_entity", "message": "Name is invalid", "request_id": "r1"}
    )
    with (
        cloud({"POST /v2/droplets": refusal}) as (service, driver),
        pytest.raises(
            PluginError,
            match=r"Error creating droplet: POST .*/v2/droplets: "
            r'422 \(request "r1"\) Name is invalid',
        ) as failure,
    ):
        driver.create(DROPLET, INPUTS)
    assert len(service.calls) == 1
    assert not isinstance(failure.value, PartialFailureError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_errors_are_retried(status: int) -> None:
    busy = Reply(status, {"message": "busy"}, {"Retry-After": "0.01"})
    with cloud(
        {"POST /v2/vpcs": [busy, busy, Reply(201, vpc())], "GET /v2/vpcs/v1": Reply(body=vpc())}
    ) as (service, driver):
        driver.create(VPC, {"region": "nyc3"})
    assert service.request_lines == [*["POST /v2/vpcs"] * 3, "GET /v2/vpcs/v1"]


def test_a_persistent_error_fails_after_five_attempts() -> None:
    broken = Reply(500, {"message": "broken"})
    with (
        cloud({"POST /v2/vpcs": broken}) as (service, driver),
        pytest.raises(PluginError, match="500 broken"),
    ):
        driver.create(VPC, {"region": "nyc3"})
    assert len(service.calls) == 5


def test_a_501_is_not_retried() -> None:
    with (
        cloud({"POST /v2/vpcs": Reply(501, {"message": "never"})}) as (service, driver),
        pytest.raises(PluginError, match="501 never"),
    ):
        driver.create(VPC, {"region": "nyc3"})
    assert len(service.calls) == 1


def test_a_failed_connection_is_reported() -> None:
    with cloud({}) as (service, _):
        url = service.url
    driver = Driver(PACKAGE, {"apiEndpoint": url, "httpRetryMax": 1, "httpRetryWaitMin": 0.01})
    with pytest.raises(PluginError, match=r"Error creating VPC: POST .*refused"):
        driver.create(VPC, {"region": "nyc3"})


def test_changed_user_data_replaces_and_deletes_an_explicitly_named_droplet_first() -> None:
    state = created_state()
    with cloud({}) as (_, driver):
        diff = driver.diff(DROPLET, state, {**INPUTS, "userData": "#cloud-config\n"})
        assert (diff.keys, diff.replaces, diff.delete_first) == (["userData"], ["userData"], True)
        assert driver.diff(DROPLET, state, INPUTS).keys == []
        assert driver.diff(DROPLET, state, {**INPUTS, "sshKeys": ["aa:bb", "12"]}).keys == []
        assert driver.diff(DROPLET, {**state, "ipv6": True}, INPUTS).replaces == ["ipv6"]
        assert driver.diff(DROPLET, state, {**INPUTS, "ipv6": True}).replaces == []


def test_a_generated_name_is_kept_and_replaced_before_deletion() -> None:
    unnamed = {key: value for key, value in INPUTS.items() if key != "name"}
    state = created_state()
    with cloud({}) as (_, driver):
        first = driver.inputs(DROPLET, unnamed)
        assert first["name"].startswith("thing-")
        assert len(first["name"]) == len("thing-") + 7
        assert driver.inputs(DROPLET, unnamed, first)["name"] == first["name"]
        diff = driver.diff(DROPLET, {**state, "name": first["name"]}, {**unnamed, "image": "other"})
        assert (diff.replaces, diff.delete_first) == (["image"], False)


def test_a_resize_powers_the_droplet_off_and_on() -> None:
    state = created_state()
    states = {"status": "active"}

    def act(call: Call) -> Reply:
        states["status"] = {"power_off": "off", "power_on": "active"}.get(
            call.body["type"], states["status"]
        )
        return Reply(201, {"action": {"id": 3, "type": call.body["type"]}})

    done = {
        "action": {
            "id": 3,
            "type": "resize",
            "status": "completed",
            "completed_at": "2026-01-01T00:00:00Z",
        }
    }
    running = {"action": {"id": 3, "type": "resize", "status": "in-progress", "completed_at": None}}
    answers: Answers = {
        "POST /v2/droplets/7/actions": act,
        "GET /v2/droplets/7": lambda call: Reply(body=droplet(status=states["status"])),
        "GET /v2/actions/3": [Reply(body=running), Reply(body=done)],
    }
    with cloud(answers) as (service, driver):
        driver.update(DROPLET, "7", state, {**INPUTS, "size": "s-1vcpu-2gb"})
    assert [call.body for call in service.calls if call.method == "POST"] == [
        {"type": "power_off"},
        {"type": "resize", "size": "s-1vcpu-2gb", "disk": True},
        {"type": "power_on"},
    ]
    assert service.request_lines.count("GET /v2/actions/3") == 2


def test_changed_tags_are_added_and_removed() -> None:
    state = {**created_state(), "tags": ["old"]}
    fine = Reply(204)
    answers: Answers = {
        "DELETE /v2/tags/old/resources": fine,
        "POST /v2/tags": Reply(201, {}),
        "POST /v2/tags/new/resources": fine,
        "GET /v2/droplets/7": Reply(body=droplet(tags=["new"])),
    }
    with cloud(answers) as (service, driver):
        after = driver.update(DROPLET, "7", state, {**INPUTS, "tags": ["new"]})
    assert service.request_lines == [
        "DELETE /v2/tags/old/resources",
        "POST /v2/tags",
        "POST /v2/tags/new/resources",
        "GET /v2/droplets/7",
    ]
    assert service.calls[0].body == {
        "resources": [{"resource_id": "7", "resource_type": "droplet"}]
    }
    assert after["tags"] == ["new"]


def test_delete_waits_for_the_lock_and_for_the_deletion() -> None:
    gone = Reply(404, {"message": "gone"})
    looks = [Reply(body=droplet(locked=True)), Reply(body=droplet()), Reply(body=droplet()), gone]
    with cloud({"GET /v2/droplets/7": looks, "DELETE /v2/droplets/7": Reply(204)}) as (
        service,
        driver,
    ):
        driver.delete(DROPLET, "7", {"name": "worker01nyc3"})
    assert [call.method for call in service.calls] == ["GET", "GET", "DELETE", "GET", "GET"]


def test_deleting_a_missing_droplet_fails_like_the_official_plugin() -> None:
    with cloud({}) as (_, driver), pytest.raises(PluginError, match="404"):
        driver.delete(DROPLET, "7", {"name": "worker01nyc3"})


def test_read_returns_nothing_for_missing_droplets_and_imports_others() -> None:
    with cloud({"GET /v2/droplets/7": Reply(body=droplet())}) as (_, driver):
        assert driver.read(DROPLET, "8")[0] == ""
        resource_id, state, inputs = driver.read(DROPLET, "7")
        assert resource_id == "7"
        assert (inputs["image"], inputs["size"], inputs["name"]) == (
            "debian-12-x64",
            "s-1vcpu-1gb",
            "worker01nyc3",
        )
        settable = {key: value for key, value in inputs.items() if not key.startswith("__")}
        assert driver.diff(DROPLET, state, settable).keys == []


def vpc(**overrides: Any) -> dict[str, Any]:
    plain = {
        "id": "v1",
        "urn": "do:vpc:v1",
        "name": "net",
        "region": "nyc3",
        "ip_range": "10.10.0.0/20",
        "default": False,
    }
    return {"vpc": {**plain, "description": "", "created_at": "2026-01-01T00:00:00Z", **overrides}}


def test_drift_is_detected_and_corrected() -> None:
    desired = {"name": "net", "region": "nyc3", "description": "ours"}
    with cloud(
        {"POST /v2/vpcs": Reply(201, vpc()), "GET /v2/vpcs/v1": Reply(body=vpc(description="ours"))}
    ) as (_, driver):
        _, state = driver.create(VPC, desired)
        inputs = driver.inputs(VPC, desired)
    with cloud(
        {
            "GET /v2/vpcs/v1": Reply(body=vpc(description="theirs")),
            "PUT /v2/vpcs/v1": Reply(body=vpc()),
        }
    ) as (service, driver):
        _, drifted, refreshed = driver.read(VPC, "v1", state, inputs)
        assert refreshed["description"] == "theirs"
        assert driver.diff(VPC, drifted, desired).keys == ["description"]
        driver.update(VPC, "v1", drifted, desired)
    assert service.bodies("PUT", "/v2/vpcs/v1") == [
        {"name": "net", "description": "ours", "default": False}
    ]


@pytest.mark.parametrize("status", [403, 409])
def test_deleting_a_network_waits_for_its_members(status: int) -> None:
    members = Reply(status, {"message": "Can not delete VPC with members"})
    with cloud({"DELETE /v2/vpcs/v1": [members, members, Reply(204)]}) as (service, driver):
        driver.delete(VPC, "v1", {})
    assert len(service.calls) == 3


def firewall(rules: list[dict[str, Any]]) -> dict[str, Any]:
    plain = {
        "id": "f1",
        "name": "fw",
        "status": "succeeded",
        "created_at": "2026-01-01T00:00:00Z",
        "pending_changes": [],
    }
    return {
        "firewall": {
            **plain,
            "inbound_rules": rules,
            "outbound_rules": [],
            "droplet_ids": [],
            "tags": ["web"],
        }
    }


def test_firewall_port_ranges_have_no_differences() -> None:
    sources = {"addresses": ["0.0.0.0/0"]}
    returned = [
        {"protocol": "icmp", "ports": "0", "sources": sources},
        {"protocol": "tcp", "ports": "0", "sources": sources},
        {"protocol": "tcp", "ports": "22", "sources": {"tags": ["a", "b"]}},
    ]
    rules = [
        {"protocol": "tcp", "portRange": "22", "sourceTags": ["b", "a"]},
        {"protocol": "tcp", "portRange": "all", "sourceAddresses": ["0.0.0.0/0"]},
        {"protocol": "icmp", "sourceAddresses": ["0.0.0.0/0"]},
    ]
    desired = {"name": "fw", "inboundRules": rules, "tags": ["web"]}
    answer = firewall(returned)
    with cloud(
        {"POST /v2/firewalls": Reply(202, answer), "GET /v2/firewalls/f1": Reply(body=answer)}
    ) as (service, driver):
        _, state = driver.create(FIREWALL, desired)
        assert driver.diff(FIREWALL, state, desired).keys == []
        assert driver.diff(FIREWALL, state, {**desired, "inboundRules": rules[:2]}).paths == [
            "inboundRules"
        ]
    assert service.calls[0].body["inbound_rules"][0] == {
        "protocol": "tcp",
        "ports": "22",
        "sources": {"tags": ["b", "a"]},
    }
    assert service.calls[0].body["inbound_rules"][2] == {
        "protocol": "icmp",
        "sources": {"addresses": ["0.0.0.0/0"]},
    }


def balancer(**overrides: Any) -> dict[str, Any]:
    rule = {
        "entry_port": 80,
        "entry_protocol": "http",
        "target_port": 8085,
        "target_protocol": "http",
        "tls_passthrough": False,
    }
    probe = {"protocol": "http", "port": 8085, "path": "/health", "check_interval_seconds": 10}
    plain: dict[str, Any] = {
        "id": "l1",
        "name": "edge",
        "ip": "198.18.0.30",
        "status": "active",
        "algorithm": "round_robin",
        "redirect_http_to_https": False,
        "enable_proxy_protocol": False,
        "enable_backend_keepalive": False,
        "disable_lets_encrypt_dns_records": False,
        "region": {"slug": "nyc3"},
        "tag": "web",
        "droplet_ids": [7],
        "vpc_uuid": "v1",
        "project_id": "p1",
        "size_unit": 1,
        "type": "REGIONAL",
        "http_idle_timeout_seconds": 60,
        "sticky_sessions": {"type": "none"},
        "forwarding_rules": [rule],
        "health_check": probe
        | {"response_timeout_seconds": 5, "unhealthy_threshold": 3, "healthy_threshold": 5},
    }
    return {"load_balancer": {**plain, **overrides}}


EDGE: State = {
    "name": "edge",
    "region": "nyc3",
    "dropletTag": "web",
    "forwardingRules": [
        {"entryPort": 80, "entryProtocol": "http", "targetPort": 8085, "targetProtocol": "http"}
    ],
    "healthcheck": {"port": 8085, "protocol": "http", "path": "/health"},
}


def test_create_waits_for_an_active_load_balancer() -> None:
    new, active = balancer(status="new"), balancer()
    answers: Answers = {
        "POST /v2/load_balancers": Reply(202, new),
        "GET /v2/load_balancers/l1": [Reply(body=new), Reply(body=active)],
    }
    with cloud(answers) as (service, driver):
        _, state = driver.create(BALANCER, EDGE)
        assert driver.diff(BALANCER, state, EDGE).keys == []
        assert driver.diff(BALANCER, state, {**EDGE, "vpcUuid": "v2"}).replaces == ["vpcUuid"]
    body = service.calls[0].body
    assert (body["tag"], body["algorithm"], body["region"]) == ("web", "round_robin", "nyc3")
    assert body["health_check"]["healthy_threshold"] == 5
    assert "droplet_ids" not in body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropletIds": [1]}, "conflicts with droplet_ids"),
        ({"forwardingRules": []}, "requires 1 item minimum"),
    ],
)
def test_an_invalid_load_balancer_is_refused(change: State, message: str) -> None:
    with cloud({}) as (_, driver):
        _, failures = driver.check(BALANCER, {**EDGE, **change})
    assert any(message in failure for failure in failures)


def test_deleting_a_project_reassigns_its_resources() -> None:
    answers: Answers = {
        "GET /v2/projects/default": Reply(body={"project": {"id": "p0"}}),
        "POST /v2/projects/p0/resources": Reply(body={"resources": []}),
        "DELETE /v2/projects/p1": [
            Reply(412, {"message": "cannot delete a project with resources"}),
            Reply(204),
        ],
    }
    with cloud(answers) as (service, driver):
        driver.delete(PROJECT, "p1", {"resources": ["do:droplet:7"]})
    assert service.request_lines == [
        "GET /v2/projects/default",
        "POST /v2/projects/p0/resources",
        "DELETE /v2/projects/p1",
        "DELETE /v2/projects/p1",
    ]


def test_create_waits_for_a_visible_ssh_key() -> None:
    key = {
        "ssh_key": {"id": 12, "name": "k", "fingerprint": "aa", "public_key": "ssh-ed25519 AAAA\n"}
    }
    looks = [Reply(404, {"message": "not yet"}), Reply(body=key)]
    with cloud({"POST /v2/account/keys": Reply(201, key), "GET /v2/account/keys/12": looks}) as (
        _,
        driver,
    ):
        resource_id, state = driver.create(KEY, {"name": "k", "publicKey": "ssh-ed25519 AAAA"})
        assert driver.diff(KEY, state, {"name": "k", "publicKey": "ssh-ed25519 AAAA"}).keys == []
    assert (resource_id, state["fingerprint"]) == ("12", "aa")


def test_a_spaces_key_keeps_the_secret_of_its_creation() -> None:
    grants = [{"bucket": "backups", "permission": "readwrite"}]
    key = {"name": "k", "access_key": "DO00A", "grants": grants, "created_at": "2026-01-31"}
    created = Reply(201, {"key": {**key, "secret_key": "the secret"}})
    read = Reply(body={"key": key})
    with cloud({"POST /v2/spaces/keys": created, "GET /v2/spaces/keys/DO00A": read}) as (
        _,
        driver,
    ):
        resource_id, state = driver.create(SPACES_KEY, {"name": "k", "grants": grants})
        assert (resource_id, state["secretKey"]) == ("DO00A", "the secret")
        assert driver.diff(SPACES_KEY, state, {"name": "k", "grants": grants}).keys == []


def test_list_functions_read_all_pages_and_filter() -> None:
    pages = {"1": ["nyc1", "nyc3"], "2": ["ams3"]}

    def regions(call: Call) -> Reply:
        page = call.path.partition("page=")[2].partition("&")[0]
        found = [
            {"slug": slug, "name": slug, "available": True, "sizes": [], "features": []}
            for slug in pages[page]
        ]
        return Reply(
            body={"regions": found, "links": {"pages": {"next": "more"}} if page == "1" else {}}
        )

    with cloud({"GET /v2/regions": regions}) as (_, driver):
        wanted = [{"key": "slug", "values": ["nyc"], "matchBy": "substring"}]
        found = driver.invoke("digitalocean:index/getRegions:getRegions", {"filters": wanted})
        assert [region["slug"] for region in found["regions"]] == ["nyc1", "nyc3"]
        assert (
            driver.invoke("digitalocean:index/getRegion:getRegion", {"slug": "ams3"})["id"]
            == "ams3"
        )
        with pytest.raises(PluginError, match="no region with slug mars"):
            driver.invoke("digitalocean:index/getRegion:getRegion", {"slug": "mars"})


def test_environment_variables_configure_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cloud({"GET /v2/vpcs/v1": Reply(body=vpc())}) as (service, _):
        monkeypatch.setenv("DIGITALOCEAN_TOKEN", "from-environment")
        monkeypatch.setenv("DIGITALOCEAN_API_URL", service.url)
        Driver(PACKAGE, {}).read(VPC, "v1")
    assert service.calls[0].headers["Authorization"] == "Bearer from-environment"
