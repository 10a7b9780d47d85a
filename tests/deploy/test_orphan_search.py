"""What belongs to a stack in the account is found by tag, name, VPC and id, and deleted."""

from typing import Any

import pytest

from deploy.orphans.kinds import KINDS, CloudResource
from deploy.orphans.proof import base_images, find_left
from deploy.orphans.search import find_own, list_account
from deploy.orphans.spaces import Spaces
from deploy.stack import State
from infra.digitalocean_api import ApiError, DigitalOceanApi
from tests.infra.support.account_api import TOKEN, AccountApi

PREFIX = "slipway-dev"
EMPTY = State(resources=[], pending_creates=[])
VPC = CloudResource("VPC", "vpc-1", PREFIX)


def resource(kind: str, name: str = "", *tags: str, vpc: str = "") -> CloudResource:
    return CloudResource(kind, "7", name, tags=frozenset(tags), vpc=vpc)


def in_state(kind: str, id: str, name: str = "") -> dict[str, Any]:
    return {"type": KINDS[kind].type, "id": id, "inputs": {"name": name}}


@pytest.fixture
def api(account: AccountApi) -> DigitalOceanApi:
    return DigitalOceanApi(account.url, TOKEN)


@pytest.mark.parametrize(
    ("found", "is_own"),
    [
        (resource("droplet", "anything", "slipway-dev-worker"), True),
        (resource("droplet", "worker01nyc3-2", vpc="vpc-1"), True),
        (resource("droplet", "bastion", vpc="vpc-1"), False),
        (resource("droplet", "worker01nyc3", "slipway-dev-2-worker", vpc="vpc-2"), False),
        (resource("droplet", "image-build-slipway-dev-0123abcd"), True),
        (resource("droplet", "image-build-slipway-dev-2-0123abcd"), False),
        (resource("SSH key", "image-build-slipway-dev-0123abcd"), True),
        (resource("SSH key", "slipway-dev"), True),
        (resource("SSH key", "slipway-dev-laptop"), False),
        (resource("load balancer", "slipway-dev"), True),
        (resource("load balancer", "other", "slipway-dev-worker"), False),
        (resource("load balancer", "slipway-dev-2", "slipway-dev-2-worker"), False),
        (resource("firewall", "slipway-dev-edge"), True),
        (resource("firewall", "my-own", "slipway-dev-worker"), False),
        (resource("firewall", "slipway-dev-2-edge"), False),
        (resource("project", "slipway-dev"), True),
        (resource("tag", "slipway-dev-prime"), True),
        (resource("tag", "slipway-dev"), False),
        (resource("VPC", "slipway-dev"), True),
        (resource("VPC", "slipway-dev-2"), False),
        (resource("image", "base.2026.01.31.1", "used-by-slipway-dev:0123abcd"), True),
        (resource("image", "base.2026.01.31.1", "used-by-slipway-dev-2:0123abcd"), False),
        (resource("image", "image-build-slipway-dev-0123abcd", "base-image"), True),
        (resource("image", "image-build-slipway-dev-0123abcd", "used-by-x:0123abcd"), False),
        (resource("volume", "", "slipway-dev-worker"), True),
        (resource("domain", "slipway-dev"), False),
    ],
)
def test_own_resources_bear_the_tags_or_names_of_the_stack(
    found: CloudResource, is_own: bool
) -> None:
    assert (found in find_own([VPC, found], PREFIX, EMPTY)) == is_own


def droplet(id: int, name: str, vpc: str = "", tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": id,
        "name": name,
        "tags": list(tags),
        "vpc_uuid": vpc,
        "size": {"price_monthly": 6.0},
    }


def test_the_account_lists_each_kind_with_its_price(
    account: AccountApi, api: DigitalOceanApi
) -> None:
    account.things |= {
        "droplets": [droplet(7, "worker01nyc3")],
        "load_balancers": [{"id": "lb", "name": "x", "tag": "slipway-dev-worker"}],
        "images": [{"id": 9, "name": "base.2026.01.02.1", "size_gigabytes": 2.5}],
        "reserved_ips": [{"ip": "203.0.113.5"}],
        "domains": [{"name": "example.com"}],
    }
    assert {(one.kind, one.id, one.monthly_usd) for one in list_account(api)} == {
        ("droplet", "7", 6.0),
        ("load balancer", "lb", 12.0),
        ("image", "9", 0.15),
        ("reserved IP", "203.0.113.5", 0.0),
        ("domain", "example.com", 0.0),
    }
    assert [image.id for image in base_images(api)] == ["9"]


def test_the_proof_counts_by_id_by_tag_by_name_and_by_vpc(
    account: AccountApi, api: DigitalOceanApi
) -> None:
    """The tags of a stack are deleted first, so the machines that it left bear none."""
    account.things |= {
        "droplets": [
            droplet(1, "worker01nyc3", "vpc-1"),
            droplet(2, "bastion", "vpc-1"),
            droplet(3, "x", "vpc-2", ("slipway-dev-prime",)),
            droplet(4, "worker01nyc3", "vpc-2", ("other-dev-worker",)),
        ],
        "vpcs": [{"id": "vpc-1", "name": "renamed"}, {"id": "vpc-2", "name": "other"}],
        "firewalls": [{"id": "f", "name": "slipway-dev-edge"}],
        "certificates": [{"id": "c", "name": "by-id"}],
        "images": [{"id": 9, "name": "base.2026.01.02.1", "tags": ["used-by-other-dev:0"]}],
    }
    former = State(
        resources=[
            in_state("VPC", "vpc-1"),
            in_state("certificate", "c"),
            in_state("droplet", "gone"),
            {"type": "pulumi-python:dynamic/slipway:Snapshot", "id": "9"},
        ],
        pending_creates=[],
    )
    left = find_left(api, Spaces(), PREFIX, "nyc3", former, pytest.fail)
    assert [(one.kind, one.id) for one in left] == [
        ("VPC", "vpc-1"),
        ("certificate", "c"),
        ("droplet", "2"),
        ("droplet", "1"),
        ("droplet", "3"),
        ("firewall", "f"),
    ]
    assert sum(one.monthly_usd for one in left) == 18.0
    account.things |= {key: [] for key in ("droplets", "vpcs", "firewalls", "certificates")}
    assert find_left(api, Spaces(), PREFIX, "nyc3", former, pytest.fail) == []


def test_a_load_balancer_does_not_bear_the_tag_by_which_it_selects_droplets(
    account: AccountApi, api: DigitalOceanApi
) -> None:
    account.things["load_balancers"] = [
        {"id": "users", "name": "of-the-user", "tag": "slipway-dev-worker"},
        {"id": "own", "name": "slipway-dev-nyc3-10-10-0-0", "tag": "slipway-dev-worker"},
    ]
    assert [one.id for one in find_own(list_account(api), PREFIX, EMPTY)] == ["own"]


@pytest.mark.parametrize("path", ["volumes", "certificates", "domains", "reserved_ips"])
def test_a_token_need_not_be_for_kinds_that_the_program_never_makes(
    account: AccountApi, api: DigitalOceanApi, path: str
) -> None:
    account.things["droplets"] = [droplet(7, "worker01nyc3")]
    account.forbidden = [path]
    assert [one.kind for one in list_account(api) if one.kind == "droplet"] == ["droplet"]
    account.forbidden = ["droplets"]
    with pytest.raises(ApiError, match="403 to GET /v2/droplets"):
        list_account(api)


def test_an_account_that_cannot_be_searched_is_an_error(
    account: AccountApi, api: DigitalOceanApi
) -> None:
    account.failing = [403] * 20
    with pytest.raises(ApiError, match="answers 403"):
        list_account(api)
