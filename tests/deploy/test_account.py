"""Orphans of a destroyed stack are found by id and by tag, with their price."""

from typing import Any

import pytest

from deploy import orphans
from deploy.account import Account, CloudResource
from infra.digitalocean_api import ApiError
from tests.deploy.support.http_server import HttpServer

DROPLET: dict[str, Any] = {
    "id": 7,
    "name": "worker01nyc3",
    "status": "active",
    "size_slug": "s-1vcpu-1gb",
    "size": {"price_monthly": 6.0},
    "region": {"slug": "nyc3"},
    "networks": {
        "v4": [
            {"type": "public", "ip_address": "198.51.100.7"},
            {"type": "private", "ip_address": "10.10.0.3"},
        ]
    },
}
RESOURCES = [
    {"type": "digitalocean:index/droplet:Droplet", "id": "7"},
    {"type": "digitalocean:index/vpc:Vpc", "id": "abc"},
    {"type": "digitalocean:index/firewall:Firewall", "id": "gone"},
    {"type": "pulumi:providers:digitalocean", "id": "not-in-the-cloud"},
]


@pytest.fixture(autouse=True)
def account(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """An account without resources."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", http_server.url)
    http_server.by_path |= {
        f"/v2/{name}": {name: [], "links": {}}
        for name in ("droplets", "load_balancers", "volumes", "snapshots")
    }
    return http_server


def test_an_empty_account_has_no_orphans() -> None:
    assert orphans.search(RESOURCES, ["slipway-dev-worker"], Account()) == []


def test_a_cloud_without_volumes_has_no_orphaned_volumes(account: HttpServer) -> None:
    del account.by_path["/v2/volumes"]
    assert orphans.search(RESOURCES, ["slipway-dev-worker"], Account()) == []


def test_an_orphan_is_found_once_with_its_price(account: HttpServer) -> None:
    account.by_path["/v2/droplets/7"] = {"droplet": DROPLET}
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET]}
    account.by_path["/v2/vpcs/abc"] = {"vpc": {"id": "abc", "name": "slipway-dev"}}
    account.by_path["/v2/load_balancers"] = {
        "load_balancers": [
            {"id": "lb", "name": "edge", "tag": "slipway-dev-worker"},
            {"id": "x", "name": "y"},
        ]
    }
    assert orphans.search(RESOURCES, ["slipway-dev-worker"], Account()) == [
        CloudResource("droplet", "7", "worker01nyc3", 6.0),
        CloudResource("load balancer", "lb", "edge", 12.0),
        CloudResource("vpc", "abc", "slipway-dev", 0.0),
    ]


def test_an_account_that_cannot_be_searched_is_an_error(
    account: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.close()
    with pytest.raises(ApiError, match="cannot be reached"):
        orphans.search(RESOURCES, [], Account())
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    with pytest.raises(ApiError, match="set DIGITALOCEAN_TOKEN"):
        Account()


def test_a_droplet_has_both_addresses(account: HttpServer) -> None:
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET]}
    [droplet] = Account().droplets(["slipway-dev-worker"])
    assert (droplet.name, droplet.public, droplet.private, droplet.monthly_usd) == (
        "worker01nyc3",
        "198.51.100.7",
        "10.10.0.3",
        6.0,
    )


def test_a_reserved_ip_is_not_the_droplets_own_address(account: HttpServer) -> None:
    networks = {
        "v4": [*DROPLET["networks"]["v4"], {"type": "public", "ip_address": "198.51.100.99"}]
    }
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET | {"networks": networks}]}
    [droplet] = Account().droplets(["slipway-dev-worker"])
    assert droplet.public == "198.51.100.7"


def test_base_images_have_a_price(account: HttpServer) -> None:
    image = {"id": "9", "name": "base.2026.01.02.1", "size_gigabytes": 2.5}
    account.by_path["/v2/snapshots"] = {
        "snapshots": [image, {"id": "10", "name": "mine.2026.01.02.1", "size_gigabytes": 9}]
    }
    assert Account().base_images() == [CloudResource("snapshot", "9", "base.2026.01.02.1", 0.15)]
