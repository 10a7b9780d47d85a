"""The whole program with mocks: which resources it declares, and what it exports."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from deploy import stack
from deploy.orphans.kinds import BUCKET, CloudResource
from deploy.orphans.search import KIND_OF_TYPE, find_own
from infra.state_format import STATE_FORMAT
from jobs import service_job
from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.values import UNKNOWN
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.cloud import FakeCloud, run, start
from tests.rehearsal.plugins.support.driver import Driver, State

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


def run_program(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeCloud, dict[str, Any]]:
    """Run the program; return the resources and the outputs."""
    cloud: FakeCloud = start()
    outputs: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", outputs.__setitem__)
    # Nomad does not exist here, so it cannot plan a job.
    monkeypatch.setattr(service_job, "require_placement", lambda jobspec, _access: jobspec)
    run(lambda: runpy.run_path(str(PROGRAM)))
    return cloud, outputs


@pytest.mark.usefixtures("account")
def test_program_declares_a_complete_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, outputs = run_program(monkeypatch)
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
    own = find_own(made, prefix, stack.State(resources=[], pending_creates=[]))
    return [one.id for one in made if one not in own]


REPLACED = ("Vpc", "LoadBalancer", "Droplet", "SpacesBucket", "SpacesBucketObject")
"""Types of DigitalOcean's resources that a move replaces."""


def planned_inputs(cloud: FakeCloud) -> Iterator[tuple[str, str, State]]:
    """Yield name, type token and planned inputs of each DigitalOcean resource."""
    replaced = {name for kind in REPLACED for name in cloud.of(kind)}
    for name, inputs in cloud.created.items():
        if not cloud.kinds[name].startswith("digitalocean:"):
            continue
        unresolved = {
            key
            for key, dependencies in cloud.requests[name].propertyDependencies.items()
            if replaced & {urn.rpartition("::")[2] for urn in dependencies.urns}
        }
        yield (
            name,
            cloud.kinds[name],
            {
                key: UNKNOWN if key in unresolved and isinstance(value, list) else value
                for key, value in inputs.items()
            },
        )


@pytest.mark.usefixtures("account")
def test_plugin_accepts_every_list_that_depends_on_a_replaced_resource_as_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine may not know such a list in a preview of a move, and passes it as unknown."""
    cloud, _ = run_program(monkeypatch)
    driver = Driver(PACKAGE, {"token": TOKEN, "apiEndpoint": "http://127.0.0.1:9"})
    planned = list(planned_inputs(cloud))
    unknown = {
        (name, key) for name, _, inputs in planned for key in inputs if inputs[key] == UNKNOWN
    }
    assert {("edge-firewall", "inboundRules"), ("project", "resources")} <= unknown
    for _, token, inputs in planned:
        if token.endswith(":Droplet"):
            inputs["image"] = UNKNOWN  # The mocks build no image.
        driver.create(token, inputs, preview=True)
        driver.diff(token, inputs, inputs)


def test_plugin_refuses_a_firewall_that_has_no_other_rule() -> None:
    driver = Driver(PACKAGE, {"token": TOKEN, "apiEndpoint": "http://127.0.0.1:9"})
    firewall = {"name": "edge", "inboundRules": UNKNOWN}
    with pytest.raises(PluginError, match="At least one rule must be specified"):
        driver.create("digitalocean:index/firewall:Firewall", firewall, preview=True)
