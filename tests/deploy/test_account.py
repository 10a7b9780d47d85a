"""What is left in the account is found by id and by tag, with what it costs."""

from typing import Any

import pytest

from deploy import orphans
from deploy.account import Account, AccountError, CloudResource
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
HAD = [
    {"type": "digitalocean:index/droplet:Droplet", "id": "7"},
    {"type": "digitalocean:index/vpc:Vpc", "id": "abc"},
    {"type": "digitalocean:index/firewall:Firewall", "id": "gone"},
    {"type": "pulumi:providers:digitalocean", "id": "no-thing"},
]


@pytest.fixture(autouse=True)
def account(answers: HttpServer, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """An account in which nothing is left."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", answers.url)
    answers.by_path |= {
        f"/v2/{name}": {name: [], "links": {}}
        for name in ("droplets", "load_balancers", "volumes", "snapshots")
    }
    return answers


def test_nothing_left_is_nothing_found() -> None:
    assert orphans.search(HAD, ["slipway-dev-worker"]) == []


def test_what_is_left_is_found_once_with_its_price(account: HttpServer) -> None:
    account.by_path["/v2/droplets/7"] = {"droplet": DROPLET}
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET]}
    account.by_path["/v2/vpcs/abc"] = {"vpc": {"id": "abc", "name": "slipway-dev"}}
    account.by_path["/v2/load_balancers"] = {
        "load_balancers": [
            {"id": "lb", "name": "edge", "tag": "slipway-dev-worker"},
            {"id": "x", "name": "y"},
        ]
    }
    assert orphans.search(HAD, ["slipway-dev-worker"]) == [
        CloudResource("droplet", "7", "worker01nyc3", 6.0),
        CloudResource("load balancer", "lb", "edge", 12.0),
        CloudResource("vpc", "abc", "slipway-dev", 0.0),
    ]


def test_an_account_that_cannot_be_asked_proves_nothing(
    account: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.close()
    with pytest.raises(AccountError, match="did not answer"):
        orphans.search(HAD, [])
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    with pytest.raises(AccountError, match="DIGITALOCEAN_TOKEN is not set"):
        Account()


def test_droplets_are_told_with_both_addresses(account: HttpServer) -> None:
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET]}
    [droplet] = Account().droplets(["slipway-dev-worker"])
    assert (droplet.name, droplet.public, droplet.private, droplet.monthly_usd) == (
        "worker01nyc3",
        "198.51.100.7",
        "10.10.0.3",
        6.0,
    )


def test_a_reserved_ip_is_not_taken_for_the_droplet_s_own_address(account: HttpServer) -> None:
    networks = {
        "v4": [*DROPLET["networks"]["v4"], {"type": "public", "ip_address": "198.51.100.99"}]
    }
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET | {"networks": networks}]}
    [droplet] = Account().droplets(["slipway-dev-worker"])
    assert droplet.public == "198.51.100.7"


def test_base_images_are_told_with_their_price(account: HttpServer) -> None:
    image = {"id": "9", "name": "base.2026.01.02.1", "size_gigabytes": 2.5}
    account.by_path["/v2/snapshots"] = {
        "snapshots": [image, {"id": "10", "name": "mine.2026.01.02.1", "size_gigabytes": 9}]
    }
    assert orphans.base_images() == [CloudResource("snapshot", "9", "base.2026.01.02.1", 0.15)]
