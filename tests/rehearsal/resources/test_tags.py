"""Tags."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client


def _resources(*ids: int, kind: str = "droplet") -> dict[str, list[dict[str, str]]]:
    return {"resources": [{"resource_id": str(id), "resource_type": kind} for id in ids]}


def test_a_tag_counts_its_resources(api: Client) -> None:
    droplet, snapshot = api.droplet(), api.snapshot()
    api("POST", "/v2/tags", {"name": "blue"}, 201)
    api("POST", "/v2/tags/blue/resources", _resources(droplet["id"]), 204)
    api("POST", "/v2/tags/blue/resources", _resources(snapshot["id"], kind="image"), 204)
    resources = api("GET", "/v2/tags/blue")["tag"]["resources"]
    assert resources["count"] == 2
    assert resources["droplets"] == {
        "count": 1,
        "last_tagged_uri": f"{api.url}/v2/droplets/{droplet['id']}",
    }
    assert [
        resources[kind]["count"] for kind in ("images", "volumes", "volume_snapshots", "databases")
    ] == [1, 0, 0, 0]
    api("DELETE", "/v2/tags/blue/resources", _resources(droplet["id"]), 204)
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["tags"] == []


def test_a_tag_exists_once_in_the_case_of_its_creation(api: Client) -> None:
    for name in ("Blue", "blue", "BLUE"):
        assert api("POST", "/v2/tags", {"name": name}, 201)["tag"]["name"] == "Blue"
    assert api.droplet(tags=["blUE"])["tags"] == ["Blue"]
    assert api("GET", "/v2/tags")["meta"]["total"] == 1


@pytest.mark.parametrize(
    "name", ["", "with space", "ümlaut", "a" * 256, "a/b", "a\n", "😀", None, 7, [], {}]
)
def test_invalid_tag_names(api: Client, name: Any) -> None:
    refused = api("POST", "/v2/tags", {"name": name}, 400)
    assert set(refused) == {"error", "messages", "root_causes"}


@pytest.mark.parametrize("data", ["{", "[]", "null", "", "[" * 100_000, "\x00"])
def test_an_invalid_tag_body_has_the_same_error_format(api: Client, data: str) -> None:
    response = api.http.post(
        f"{api.url}/v2/tags", data=data, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, set(response.json())) == (
        400,
        {"error", "messages", "root_causes"},
    )


def test_a_deleted_tag_is_removed_from_all_resources(api: Client) -> None:
    droplet = api.droplet(tags=["blue", "green"])
    rule = {"protocol": "tcp", "ports": "22", "sources": {"tags": ["blue"]}}
    firewall = api(
        "POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [rule], "tags": ["blue"]}, 202
    )["firewall"]
    api("DELETE", "/v2/tags/BLUE", expect=204)
    api("GET", "/v2/tags/blue", expect=404)
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["tags"] == ["green"]
    firewall = api("GET", f"/v2/firewalls/{firewall['id']}")["firewall"]
    assert (firewall["tags"], firewall["inbound_rules"][0]["sources"]) == ([], {})


def test_resources_that_cannot_be_tagged(api: Client) -> None:
    api("POST", "/v2/tags/none/resources", _resources(1), 404)
    api("POST", "/v2/tags", {"name": "blue"}, 201)
    droplet = api.droplet()
    api("POST", "/v2/tags/blue/resources", _resources(droplet["id"], 1), 404)
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["tags"] == []
    api.error_message("POST", "/v2/tags/blue/resources", _resources(1, kind="volume"))
