"""VPCs."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client, until

ONE = {"name": "one", "region": "nyc3", "ip_range": "10.10.0.0/20"}


def test_create_change_delete(api: Client) -> None:
    vpc = api("POST", "/v2/vpcs", ONE | {"description": "first"}, 201)["vpc"]
    assert (vpc["ip_range"], vpc["default"], vpc["urn"]) == (
        "10.10.0.0/20",
        False,
        f"do:vpc:{vpc['id']}",
    )
    path = f"/v2/vpcs/{vpc['id']}"
    assert api("GET", path)["vpc"] == vpc
    assert api("PUT", path, {"name": "two"})["vpc"]["description"] == ""
    assert api("PATCH", path, {"description": "again"})["vpc"]["name"] == "two"
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


def test_a_range_is_allocated_if_none_is_given(api: Client) -> None:
    ranges = {
        api("POST", "/v2/vpcs", {"name": name, "region": "nyc3"}, 201)["vpc"]["ip_range"]
        for name in ("one", "two")
    }
    assert len(ranges) == 2
    assert all(range.endswith("/20") for range in ranges)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "under_score"}, "name"),
        ({"name": None}, "name is required"),
        ({"name": "first"}, "same name"),
        ({"description": "x" * 256}, "description"),
        ({"region": "mars1"}, "Region mars1"),
        ({"ip_range": "10.10.0.0/15"}, "between /16 and /28"),
        ({"ip_range": "10.10.0.0/29"}, "between /16 and /28"),
        ({"ip_range": "10.10.0.1/20"}, "CIDR"),
        ({"ip_range": "8.8.0.0/20"}, "RFC 1918"),
        ({"ip_range": "10.244.16.0/20"}, "reserved"),
        ({"ip_range": "fd00::/64"}, "CIDR"),
        ({"ip_range": 7}, "ip_range"),
        (
            {"ip_range": "10.20.8.0/24"},
            "overlaps with another VPC network in your account: 10.20.0.0/20",
        ),
    ],
)
def test_invalid_creations(api: Client, change: dict[str, Any], message: str) -> None:
    api("POST", "/v2/vpcs", {"name": "first", "region": "nyc3", "ip_range": "10.20.0.0/20"}, 201)
    assert message in api.error_message("POST", "/v2/vpcs", ONE | change)


def test_a_vpc_with_members_is_not_deleted(api: Client) -> None:
    vpc = api("POST", "/v2/vpcs", ONE, 201)["vpc"]
    path = f"/v2/vpcs/{vpc['id']}"
    droplet = api.droplet(vpc_uuid=vpc["id"])
    [member] = api("GET", f"{path}/members")["members"]
    assert (member["urn"], member["name"]) == (f"do:droplet:{droplet['id']}", "one")
    assert api("GET", f"{path}/members?resource_type=loadbalancer")["members"] == []
    assert api("GET", f"{path}/members?resource_type=drop")["members"] == []
    assert api("GET", f"{path}/members?resource_type=droplet&per_page=1")["meta"]["total"] == 1
    assert api.error_message("DELETE", path, expect=403) == "Can not delete VPC with members"
    api("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
    until(lambda: api.http.delete(api.url + path).status_code == 204)


def test_the_default_vpc_cannot_be_deleted_but_replaced(api: Client) -> None:
    first = api.droplet()["vpc_uuid"]
    api.error_message("DELETE", f"/v2/vpcs/{first}", expect=403)
    other = api("POST", "/v2/vpcs", ONE, 201)["vpc"]["id"]
    assert api("PATCH", f"/v2/vpcs/{other}", {"default": True})["vpc"]["default"]
    assert not api("GET", f"/v2/vpcs/{first}")["vpc"]["default"]
    assert api.droplet("two")["vpc_uuid"] == other
