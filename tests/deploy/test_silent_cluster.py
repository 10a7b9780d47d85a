"""The preflight checks in the real engine, when no server of the cluster answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.orphans.resolve import Orphans
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import CHECKOUT, Project
from tests.infra.support.account_api import TOKEN, AccountApi, serving

ADDRESS = "192.0.2.7"
"""Of a range for documentation, where no machine answers."""

PROGRAM = f"""
import pathlib
import sys
import pulumi

sys.path.insert(0, {str(CHECKOUT)!r})
from infra.preflight import preflight

context = preflight()
pathlib.Path(__file__).with_name("went-on").touch()
pulumi.export("format", {STATE_FORMAT})
pulumi.export("consul_addresses", ["https://{ADDRESS}:8501"])
"""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        for name, value in {
            "DIGITALOCEAN_TOKEN": TOKEN,
            "DIGITALOCEAN_API_URL": api.url,
            "SPACES_ACCESS_KEY_ID": "key",
            "SPACES_SECRET_ACCESS_KEY": "secret",
            "SPACES_ENDPOINT_URL": "http://127.0.0.1:9",
            "SLIPWAY_ADMIN_CIDRS": "198.18.0.2/32",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SLIPWAY_RELEASES_KEY", raising=False)
        # The program of this test declares nothing, so the state has nothing of the account.
        monkeypatch.setattr(Orphans, "search", lambda _self, _state: [])
        yield api


def test_a_complete_cluster_that_is_silent_stops_an_update_and_no_preview(
    project: Project, account: AccountApi
) -> None:
    (project.directory / "__main__.py").write_text(PROGRAM)
    project.settings.write_text("config: {}\n")
    went_on = Path(project.directory, "went-on")
    account.things["droplets"] = [
        {
            "name": "prime01nyc3",
            "tags": ["throwaway-dev-prime"],
            "image": {"id": 1},
            "region": {"slug": "nyc3"},
            "size_slug": "s-1vcpu-1gb",
            "vpc_uuid": "the-network",
            "status": "active",
            "networks": {"v4": [{"type": "public", "ip_address": ADDRESS}]},
        }
    ]
    rule = {"ports": "22", "sources": {"addresses": ["198.18.0.2"]}}
    account.things["firewalls"] = [{"name": "throwaway-dev-nodes", "inbound_rules": [rule]}]
    first = project.deploy("up")
    assert first.returncode == 0, first.stderr  # without outputs, the primes may still boot
    went_on.unlink()

    refused = project.deploy("up", "--json")
    assert refused.returncode == 1
    [failure] = json.loads(refused.stdout)["failures"]
    assert failure["message"].startswith(f"no server of the cluster answers ({ADDRESS}; ports")
    assert "\n" not in failure["message"]
    assert not went_on.exists()

    shown = project.deploy("preview")
    assert shown.returncode == 0, shown.stderr
    assert "an update would stop: no server of the cluster answers" in shown.stderr
    assert went_on.exists()
