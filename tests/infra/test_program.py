"""The whole program with mocks: which resources it declares, and what it exports."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from deploy.orphans.kinds import BUCKET, CloudResource
from deploy.orphans.search import KIND_OF_TYPE, find_own
from deploy.stack import State
from infra.state_format import STATE_FORMAT
from jobs import service_job
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.cloud import FakeCloud, run, start

PROGRAM = Path(__file__).parents[2] / "__main__.py"
OUTPUTS = {
    "consul_addresses",
    "estimated_monthly_usd",
    "format",
    "host_keys",
    "image",
    "members",
    "nomad_addresses",
    "operator",
    "services",
    "url",
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account and credentials that pass the preflight checks."""
    with serving(AccountApi()) as api:
        for name, value in {
            "DIGITALOCEAN_TOKEN": TOKEN,
            "DIGITALOCEAN_API_URL": api.url,
            "SPACES_ACCESS_KEY_ID": "key",
            "SPACES_SECRET_ACCESS_KEY": "secret",
            "SPACES_ENDPOINT_URL": "http://127.0.0.1:9",
            "SLIPWAY_ADMIN_CIDRS": "203.0.113.0/24",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SLIPWAY_RELEASES_KEY", raising=False)
        yield


@pytest.mark.usefixtures("account")
def test_program_declares_a_complete_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud: FakeCloud = start()
    outputs: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", outputs.__setitem__)
    # Nomad does not exist here, so it cannot plan a job.
    monkeypatch.setattr(service_job, "require_placement", lambda jobspec, _access: jobspec)
    run(lambda: runpy.run_path(str(PROGRAM)))
    assert set(outputs) == OUTPUTS
    assert outputs["format"] == STATE_FORMAT
    assert set(cloud.of("Droplet")) == {
        "prime01",
        *(f"worker{number:02d}" for number in range(1, 5)),
    }
    assert set(cloud.of("Job")) == {"backserve", "frontserve", "prober"}
    assert _orphans_that_nobody_finds(cloud) == []
    assert cloud.of("Project")["project"]["resources"] == [
        "do:loadbalancer:edge-balancer",
        "do:droplet:prime01",
        *(f"do:droplet:worker{number:02d}" for number in range(1, 5)),
    ]


def _orphans_that_nobody_finds(cloud: FakeCloud) -> list[str]:
    """Return the resources that ``deploy`` would not find if the state lost them."""
    prefix = str(cloud.of("Tag")["network-worker"]["name"]).removesuffix("-worker")
    made = [
        CloudResource(
            KIND_OF_TYPE[type],
            name,
            str(cloud.created[name]["name"]),
            tags=frozenset(cloud.created[name].get("tags", ())),
        )
        for name, type in cloud.kinds.items()
        if type.startswith("digitalocean:") and KIND_OF_TYPE.get(type, BUCKET) != BUCKET
    ]
    assert {one.kind for one in made} >= {"droplet", "firewall", "load balancer", "VPC", "tag"}
    own = find_own(made, prefix, State(resources=[], pending_creates=[]))
    return [one.id for one in made if one not in own]
