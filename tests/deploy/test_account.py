"""Droplets of a stack, as the account describes them."""

from typing import Any

import pytest

from deploy.account import Account
from infra.digitalocean_api import ApiError, connect
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


@pytest.fixture(autouse=True)
def account(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """An account without resources."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", http_server.url)
    http_server.by_path["/v2/droplets"] = {"droplets": [], "links": {}}
    return http_server


def test_a_command_without_a_token_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    with pytest.raises(ApiError, match="set DIGITALOCEAN_TOKEN"):
        connect()


def test_a_droplet_has_both_addresses(account: HttpServer) -> None:
    account.by_path["/v2/droplets"] = {"droplets": [DROPLET]}
    [droplet] = Account(connect()).droplets(["slipway-dev-worker"])
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
    [droplet] = Account(connect()).droplets(["slipway-dev-worker"])
    assert droplet.public == "198.51.100.7"
