"""pydo, DigitalOcean's Python client, which is generated from the OpenAPI specification."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from pydo import Client as Pydo

from rehearsal import limits
from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.support.client import Client, running, until
from tests.rehearsal.support.samples import SSH_KEY

SMALL = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
RULE = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8085}


class PlainHttp(SansIOHTTPPolicy[Any, Any]):
    """A policy that lets pydo send its token without TLS."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.options["enforce_https"] = False


def pydo(api: Client, token: str = "t" * 64) -> Any:
    return Pydo(token, endpoint=api.url, per_call_policies=[PlainHttp()])


@pytest.fixture
def do(api: Client) -> Iterator[Any]:
    with pydo(api) as client:
        yield client


def all_pages(listed: Callable[..., Any], key: str, **arguments: Any) -> list[Any]:
    """Return all items of a list, in pages of two."""
    items: list[Any] = []
    for page in range(1, 100):
        answer = listed(**arguments, per_page=2, page=page)
        items += answer[key]
        if "next" not in answer["links"].get("pages", {}):
            assert answer["meta"]["total"] == len(items)
            return items
    raise AssertionError("pages without end")


def refusal(call: Callable[[], Any]) -> tuple[int | None, str]:
    """Return the status and message of pydo's exception."""
    with pytest.raises(HttpResponseError) as caught:
        call()
    response: Any = caught.value.response
    return caught.value.status_code, response.json()["message"]


def droplets(do: Any, *names: str, **more: Any) -> list[int]:
    ids = [
        droplet["id"]
        for droplet in do.droplets.create(body={"names": list(names), **SMALL, **more})["droplets"]
    ]
    until(lambda: all(not do.droplets.get(id)["droplet"]["locked"] for id in ids))
    return ids


def ended(do: Any, answer: Any) -> Any:
    """Wait until an action has completed."""
    started = answer["action"]
    assert (started["status"], started["completed_at"]) == ("in-progress", None)
    until(lambda: do.actions.get(started["id"])["action"]["completed_at"])
    action = do.actions.get(started["id"])["action"]
    assert action["status"] == "completed"
    return action


def test_a_small_cluster_is_created_and_deleted(api: Client, do: Any) -> None:
    key = do.ssh_keys.create({"name": "pydo", "public_key": SSH_KEY})["ssh_key"]
    vpc = do.vpcs.create({"name": "pydo", "region": "nyc3", "ip_range": "10.10.0.0/20"})["vpc"]
    ids = droplets(do, "one", "two", ssh_keys=[key["id"]], tags=["pydo"], vpc_uuid=vpc["id"])
    edge = {
        "name": "pydo",
        "region": "nyc3",
        "vpc_uuid": vpc["id"],
        "tag": "pydo",
        "forwarding_rules": [RULE],
    }
    balancer = do.load_balancers.create(body=edge)["load_balancer"]
    until(lambda: do.load_balancers.get(balancer["id"])["load_balancer"]["status"] == "active")
    inbound = {
        "protocol": "tcp",
        "ports": "8085",
        "sources": {"load_balancer_uids": [balancer["id"]]},
    }
    firewall = do.firewalls.create(
        body={"name": "pydo", "inbound_rules": [inbound], "tags": ["pydo"]}
    )["firewall"]
    assert do.load_balancers.get(balancer["id"])["load_balancer"]["droplet_ids"] == ids
    ended(do, do.droplet_actions.post(ids[0], body={"type": "snapshot", "name": "pydo.1"}))
    assert [image["name"] for image in do.images.list(private=True)["images"]] == ["pydo.1"]
    members = all_pages(do.vpcs.list_members, "members", vpc_id=vpc["id"])
    assert {member["urn"] for member in members} >= {f"do:droplet:{id}" for id in ids}
    do.firewalls.delete(firewall["id"])
    do.load_balancers.delete(balancer["id"])
    do.droplets.destroy_by_tag(tag_name="pydo")
    until(lambda: api.http.delete(f"{api.url}/v2/vpcs/{vpc['id']}").status_code == 204)
    do.ssh_keys.delete(key["id"])
    assert do.droplets.list()["droplets"] == []


def test_the_catalogue_and_the_account(do: Any) -> None:
    assert do.account.get()["account"]["status"] == "active"
    assert "nyc3" in [region["slug"] for region in all_pages(do.regions.list, "regions")]
    assert "s-1vcpu-1gb" in [size["slug"] for size in all_pages(do.sizes.list, "sizes")]
    assert "debian-12-x64" in [
        image["slug"] for image in all_pages(do.images.list, "images", type="distribution")
    ]


def test_all_pages_of_a_list(do: Any) -> None:
    created = droplets(do, *(f"d{number}" for number in range(5)), tags=["walked"])
    assert [
        droplet["id"] for droplet in all_pages(do.droplets.list, "droplets", tag_name="walked")
    ] == created
    assert len(all_pages(do.actions.list, "actions")) == len(created)
    pages = do.droplets.list(per_page=2, page=2)["links"]["pages"]
    queries = {name: parse_qs(urlsplit(link).query) for name, link in pages.items()}
    numbers = {"first": "1", "prev": "1", "next": "3", "last": "3"}
    assert queries == {
        name: {"page": [number], "per_page": ["2"]} for name, number in numbers.items()
    }


def test_droplet_actions(do: Any) -> None:
    (id,) = droplets(do, "one", tags=["acted"])
    for action in (
        {"type": "power_off"},
        {"type": "resize", "size": "s-1vcpu-2gb", "disk": True},
        {"type": "power_on"},
        {"type": "rename", "name": "two"},
        {"type": "enable_ipv6"},
        {
            "type": "enable_backups",
            "backup_policy": {"plan": "weekly", "weekday": "MON", "hour": 8},
        },
        {"type": "rebuild", "image": "debian-12-x64"},
    ):
        assert ended(do, do.droplet_actions.post(id, body=action))["type"] == action["type"]
    droplet = do.droplets.get(id)["droplet"]
    assert (droplet["name"], droplet["size_slug"], droplet["disk"], droplet["status"]) == (
        "two",
        "s-1vcpu-2gb",
        50,
        "active",
    )
    assert {"ipv6", "backups"} <= set(droplet["features"])
    (tagged,) = do.droplet_actions.post_by_tag(tag_name="acted", body={"type": "disable_backups"})[
        "actions"
    ]
    ended(do, {"action": tagged})
    assert len(all_pages(do.droplet_actions.list, "actions", droplet_id=id)) == 9


def test_a_snapshot_is_transferred_and_tagged(do: Any) -> None:
    (id,) = droplets(do, "one")
    action = ended(do, do.droplet_actions.post(id, body={"type": "snapshot", "name": "base"}))
    (taken,) = all_pages(do.droplets.list_snapshots, "snapshots", droplet_id=id)
    snapshot = do.snapshots.get(str(taken["id"]))["snapshot"]
    assert (snapshot["resource_id"], snapshot["created_at"]) == (str(id), action["started_at"])
    ended(do, do.image_actions.post(taken["id"], body={"type": "transfer", "region": "sfo3"}))
    do.tags.create({"name": "pydo"})
    do.tags.assign_resources(
        "pydo", {"resources": [{"resource_id": str(taken["id"]), "resource_type": "image"}]}
    )
    (image,) = do.images.list(tag_name="pydo")["images"]
    assert (image["id"], image["regions"]) == (taken["id"], ["nyc3", "sfo3"])
    do.snapshots.delete(str(taken["id"]))
    assert do.tags.get("pydo")["tag"]["resources"]["images"]["count"] == 0


def test_domains_certificates_and_load_balancers(do: Any) -> None:
    do.domains.create({"name": "pydo.example", "ip_address": "192.0.2.1"})
    record = do.domains.create_record(
        "pydo.example", body={"type": "A", "name": "www", "data": "192.0.2.2"}
    )["domain_record"]
    do.domains.update_record(
        "pydo.example", record["id"], body={"type": "A", "name": "www", "data": "192.0.2.3"}
    )
    do.domains.patch_record("pydo.example", record["id"], body={"type": "A", "ttl": 60})
    (record,) = all_pages(
        do.domains.list_records,
        "domain_records",
        domain_name="pydo.example",
        name="www.pydo.example",
        type="A",
    )
    assert (record["data"], record["ttl"]) == ("192.0.2.3", 60)
    body = {"name": "pydo", "type": "lets_encrypt", "dns_names": ["www.pydo.example"]}
    certificate = do.certificates.create(body=body)["certificate"]
    until(lambda: do.certificates.get(certificate["id"])["certificate"]["state"] == "verified")
    https = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "http",
        "target_port": 80,
    }
    edge = {
        "name": "pydo",
        "region": "nyc3",
        "forwarding_rules": [https | {"certificate_id": certificate["id"]}],
    }
    balancer = do.load_balancers.create(body=edge)["load_balancer"]
    until(lambda: do.load_balancers.get(balancer["id"])["load_balancer"]["status"] == "active")
    status, message = refusal(lambda: do.certificates.delete(certificate["id"]))
    assert status == 403 and "being used by one or more load balancers" in message
    do.load_balancers.add_forwarding_rules(balancer["id"], {"forwarding_rules": [RULE]})
    do.load_balancers.remove_forwarding_rules(
        balancer["id"], {"forwarding_rules": edge["forwarding_rules"]}
    )
    do.certificates.delete(certificate["id"])
    do.load_balancers.delete(balancer["id"])
    do.domains.delete("pydo.example")
    assert (
        do.domains.list()["domains"]
        == do.certificates.list()["certificates"]
        == do.load_balancers.list()["load_balancers"]
        == []
    )


def test_a_reserved_ip_moves_from_droplet_to_droplet(do: Any) -> None:
    one, two = droplets(do, "one", "two")
    ip = do.reserved_ips.create({"region": "nyc3"})["reserved_ip"]["ip"]
    for id in (one, two):
        ended(do, do.reserved_ips_actions.post(ip, body={"type": "assign", "droplet_id": id}))
        assert do.reserved_ips.get(ip)["reserved_ip"]["droplet"]["id"] == id
    ended(do, do.reserved_ips_actions.post(ip, body={"type": "unassign"}))
    assert len(do.reserved_ips_actions.list(ip)["actions"]) == 4
    do.reserved_ips.delete(ip)
    assert do.reserved_ips.list()["reserved_ips"] == []


def test_projects_firewalls_and_spaces_keys(do: Any) -> None:
    (id,) = droplets(do, "one")
    project = do.projects.create(
        {"name": "pydo", "purpose": "Web Application", "environment": "Production"}
    )["project"]
    (assigned,) = do.projects.assign_resources(project["id"], {"resources": [f"do:droplet:{id}"]})[
        "resources"
    ]
    assert assigned["urn"] == f"do:droplet:{id}"
    refused = do.projects.delete(project["id"])
    assert (
        refused["id"] == "precondition_failed"
        and "cannot delete a project with resources" in refused["message"]
    )
    do.projects.assign_resources_default({"resources": [f"do:droplet:{id}"]})
    do.projects.delete(project["id"])
    everyone = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    firewall = do.firewalls.create(body={"name": "pydo", "inbound_rules": [everyone]})["firewall"]
    do.firewalls.assign_droplets(firewall["id"], body={"droplet_ids": [id]})
    assert [
        one["id"] for one in all_pages(do.droplets.list_firewalls, "firewalls", droplet_id=id)
    ] == [firewall["id"]]
    do.firewalls.delete_droplets(firewall["id"], body={"droplet_ids": [id]})
    do.firewalls.delete(firewall["id"])
    grants = [{"bucket": "pictures", "permission": "read"}]
    created = do.spaces_key.create({"name": "pydo", "grants": grants})["key"]
    assert created["secret_key"]
    assert (
        do.spaces_key.patch(created["access_key"], {"name": "renamed"})["key"]["grants"] == grants
    )
    do.spaces_key.delete(created["access_key"])
    assert do.spaces_key.list()["keys"] == []


def test_unsupported_operations_say_so(do: Any) -> None:
    (id,) = droplets(do, "one")
    for call in (
        do.volumes.list,
        do.uptime.list_checks,
        do.kubernetes.list_clusters,
        do.databases.list_clusters,
    ):
        assert "The rehearsal cloud does not support" in error_message(call)
    assert "The rehearsal cloud does not support" in error_message(
        lambda: do.droplets.list_neighbors(id)
    )


def error_message(call: Callable[[], Any]) -> str:
    """Return the message of a 404, which pydo returns if it is specified and raises otherwise."""
    try:
        answer = call()
    except HttpResponseError as error:
        assert error.response is not None
        answer = error.response.json()  # type: ignore[attr-defined]
    assert answer["id"] == "not_found"
    message: str = answer["message"]
    return message


def test_invalid_requests(api: Client, do: Any) -> None:
    status, message = refusal(lambda: do.droplets.create(body={"name": "under_score", **SMALL}))
    assert status == 422 and "hostname" in message
    assert error_message(lambda: do.droplets.get(1)) == error_message(
        lambda: do.load_balancers.get("4de7ac8b-495b-4884-9a69-1050c6793cd6")
    )
    with pydo(api, "nobody's") as stranger:
        status, _ = refusal(stranger.account.get)
        assert status == 401


def test_pydo_waits_for_the_rate_limit(
    config: CloudConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud allows 5 requests in a minute of two seconds."""
    monkeypatch.setattr(limits, "MINUTE_S", 2)
    with running(config, MemoryMachines(config), RateLimits(per_minute=5)) as api, pydo(api) as do:
        assert [do.account.get()["account"]["status"] for _ in range(7)] == ["active"] * 7
