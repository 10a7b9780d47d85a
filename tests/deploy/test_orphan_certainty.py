"""Which orphans the state shows to be those of this stack, and not of another backend."""

from typing import Any

import pytest

from deploy.orphans.kinds import KINDS, CloudResource
from deploy.orphans.search import is_certain
from deploy.stack import State

PREFIX = "slipway-dev"
EMPTY = State(resources=[], pending_creates=[])
VPC = CloudResource("VPC", "vpc-1", PREFIX)


def resource(kind: str, name: str = "", *tags: str, vpc: str = "") -> CloudResource:
    return CloudResource(kind, "7", name, tags=frozenset(tags), vpc=vpc)


def in_state(kind: str, id: str, name: str = "") -> dict[str, Any]:
    return {"type": KINDS[kind].type, "id": id, "inputs": {"name": name}}


@pytest.mark.parametrize(
    ("orphan", "state", "expected"),
    [
        (resource("droplet", "worker01nyc3"), EMPTY, False),
        (
            resource("droplet", "worker01nyc3"),
            State(resources=[in_state("VPC", "vpc-1")], pending_creates=[]),
            True,
        ),
        # The VPC in the state was deleted, so the one in the account is another one.
        (
            resource("droplet", "worker01nyc3"),
            State(resources=[in_state("VPC", "vpc-0")], pending_creates=[]),
            False,
        ),
        (
            resource("droplet", "worker01nyc3"),
            State(resources=[], pending_creates=[in_state("droplet", "", "worker01nyc3")]),
            True,
        ),
        (
            resource("droplet", "worker01nyc3"),
            State(resources=[], pending_creates=[in_state("droplet", "", "worker02nyc3")]),
            False,
        ),
        (
            resource("SSH key", "image-build-slipway-dev-0123abcd"),
            State(
                resources=[],
                pending_creates=[{"type": "pulumi-python:dynamic/slipway:Snapshot"}],
            ),
            True,
        ),
    ],
)
def test_the_vpc_or_a_pending_create_shows_that_the_stack_made_an_orphan(
    orphan: CloudResource, state: State, expected: bool
) -> None:
    assert is_certain(orphan, state, [VPC, orphan], PREFIX) == expected


NYC3 = CloudResource("VPC", "vpc-nyc3", f"{PREFIX}-nyc3-10-10-0-0")
AMS3 = CloudResource("VPC", "vpc-ams3", f"{PREFIX}-ams3-10-20-0-0")
BUILD = "image-build-slipway-dev-0123abcd"


@pytest.mark.parametrize(
    ("orphan", "expected"),
    [
        (resource("droplet", "worker01nyc3", vpc=NYC3.id), True),
        (resource("droplet", "worker01ams3", vpc=AMS3.id), True),
        (resource("droplet", "worker01ams3", vpc="vpc-default"), False),
        (resource("droplet", BUILD, vpc="vpc-default"), True),
        (resource("SSH key", PREFIX), True),
    ],
)
@pytest.mark.parametrize(
    "of_ams3",
    [
        {"resources": [in_state("VPC", AMS3.id)]},
        {"resources": [{**in_state("VPC", AMS3.id), "delete": True}]},
        {"pending_creates": [in_state("VPC", "", AMS3.name)]},
    ],
    ids=["in the state", "to be deleted", "pending"],
)
def test_a_state_with_every_vpc_of_the_stack_is_the_state_of_all_orphans(
    of_ams3: dict[str, list[dict[str, Any]]], orphan: CloudResource, expected: bool
) -> None:
    state = State(
        resources=[in_state("VPC", NYC3.id), *of_ams3.get("resources", ())],
        pending_creates=of_ams3.get("pending_creates", []),
    )
    assert is_certain(orphan, state, [NYC3, AMS3, orphan], PREFIX) == expected


@pytest.mark.parametrize(
    "orphan",
    [
        AMS3,
        resource("droplet", "worker01ams3", vpc=AMS3.id),
        resource("droplet", "worker01nyc3", vpc=NYC3.id),
        resource("firewall", "slipway-dev-nodes"),
        resource("droplet", BUILD, vpc="vpc-default"),
    ],
    ids=str,
)
def test_a_second_vpc_of_the_stack_may_belong_to_another_backend(orphan: CloudResource) -> None:
    state = State(resources=[in_state("VPC", NYC3.id)], pending_creates=[])
    assert not is_certain(orphan, state, [NYC3, AMS3, orphan], PREFIX)


def test_a_pending_droplet_of_another_vpc_may_belong_to_another_backend() -> None:
    state = State(
        resources=[in_state("VPC", NYC3.id)],
        pending_creates=[in_state("droplet", "", "worker01ams3")],
    )
    for vpc, expected in ((AMS3, False), (NYC3, True)):
        orphan = resource("droplet", "worker01ams3", vpc=vpc.id)
        assert is_certain(orphan, state, [NYC3, AMS3, orphan], PREFIX) == expected
