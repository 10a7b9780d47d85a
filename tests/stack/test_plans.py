"""Previews of changes that start new machines: what they replace, and what stays as it is."""

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.stack.rig import Rig

MACHINES = {"prime01", "worker01", "worker02", "worker03", "worker04"}
OWN_KINDS = {
    "CertRequest",
    "Droplet",
    "LocallySignedCert",
    "Membership",
    "PrivateKey",
    "RandomPassword",
}
"""Kinds of the resources that belong to one generation of a machine."""

Plan = dict[str, set[tuple[str, str]]]
"""Kind and logical name of the resources by the planned action."""


@pytest.fixture
def planned(deployed: Rig) -> Iterator[Rig]:
    """The shared stack, whose files are restored after the test."""
    yield deployed
    deployed.reset()


def preview(rig: Rig) -> Plan:
    result = rig.deploy("preview", "--json")
    assert result.code == 0, result.stderr[-4000:]
    plan: Plan = defaultdict(set)
    for change in result.json["changes"]:
        plan[change["action"].removeprefix("to ")].add((change["type"], change["name"]))
    return plan


def slot(name: str) -> str:
    """Return the machine in a logical name; empty for a resource of no machine."""
    match = re.search(r"(prime|worker)\d+", name)
    return match[0] if match else ""


def test_more_primes_replace_nothing(planned: Rig) -> None:
    planned.set(primes=3)
    plan = preview(planned)
    assert not plan["replace"] | plan["delete"]
    assert {name for kind, name in plan["create"] if kind == "Droplet"} == {"prime02", "prime03"}
    assert {slot(name) for _, name in plan["create"]} == {"prime02", "prime03"}
    assert {"Roster", "Bootstrap", "Readiness"} <= {kind for kind, _ in plan["update"]}


def test_new_image_replaces_every_machine_and_nothing_else_of_the_cluster(planned: Rig) -> None:
    script = planned.directory / "images/base/scripts/clean-image.sh"
    script.write_text(f"{script.read_text()}# another image\n")
    plan = preview(planned)
    replaced = {(kind, name) for kind, name in plan["replace"] if not name.startswith("image")}
    for kind in ("Droplet", "Membership"):
        assert {slot(name) for replaced_kind, name in replaced if replaced_kind == kind} == MACHINES
    assert {kind for kind, _ in replaced} == OWN_KINDS
    assert {slot(name) for _, name in replaced} == MACHINES
    assert not plan["delete"] | {
        (kind, name) for kind, name in plan["create"] if not name.startswith("image")
    }
    updated = {kind for kind, _ in plan["update"]}
    assert {"Generation", "Enrolment", "Roster", "Bootstrap", "Readiness"} <= updated


@pytest.mark.parametrize(
    "change", [{"region": "ams3"}, {"vpc_cidr": "10.20.0.0/20"}], ids=["region", "range"]
)
def test_move_replaces_the_network_and_the_cluster(planned: Rig, change: dict[str, str]) -> None:
    """Nothing is only deleted, and what belongs to no network stays."""
    planned.set(**change)
    plan = preview(planned)
    assert not plan["create"] | plan["delete"]
    replaced = {kind for kind, _ in plan["replace"]}
    assert {"Vpc", "LoadBalancer", "Roster", "Bootstrap", "ManagementTokens", "Job"} <= replaced
    assert {name for kind, name in plan["replace"] if kind == "Droplet"} == MACHINES
    assert {name for kind, name in plan["replace"] if kind == "Firewall"} == {"edge-firewall"}
    assert ("SpacesBucket" in replaced) == ("region" in change)
    assert not {"Tag", "SshKey", "Project", "Snapshot"} & replaced
    assert {"Readiness", "EdgeReadiness", "Project"} <= {kind for kind, _ in plan["update"]}
