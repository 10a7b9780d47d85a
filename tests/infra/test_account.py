"""The account: what it offers, compared with what the settings ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.account import survey
from infra.digitalocean_api import ApiError, DigitalOceanApi
from infra.settings import Settings, load
from tests.infra.support.account_api import TOKEN, AccountApi, serving


@pytest.fixture
def cloud() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        yield api


def settings(**values: str) -> Settings:
    return load("test", {"admin_cidrs": "203.0.113.0/24", **values}, {})


def problems(cloud: AccountApi, **values: str) -> list[str]:
    return survey(
        DigitalOceanApi(cloud.url, TOKEN), settings(**values), "slipway-test", "content-1"
    )[1]


def test_fitting_stack_has_a_price(cloud: AccountApi) -> None:
    account, found = survey(
        DigitalOceanApi(cloud.url, TOKEN), settings(), "slipway-test", "content-1"
    )
    assert (account.id, found) == ("the-account", [])
    assert account.monthly_usd(settings()) == 5 * 6 + 12


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        ({"region": "tor1"}, ["region: tor1 does not exist; choose one of ams3, nyc3"]),
        (
            {"region": "sfo2"},
            [
                "region: sfo2 accepts no new resources",
                "prime_size: sfo2 does not offer",
                "worker_size: sfo2 does not offer",
            ],
        ),
        (
            {"worker_size": "s-8vcpu-16gb"},
            ["worker_size: nyc3 does not offer s-8vcpu-16gb; nyc3 offers s-1vcpu-1gb"],
        ),
        (
            {"prime_size": "s-none"},
            ["prime_size: there is no size s-none; nyc3 offers s-1vcpu-1gb"],
        ),
        ({"workers": "25"}, ["workers: the stack has 26 droplets, but the account may have 25"]),
    ],
)
def test_missing_offers_and_limits_are_reported(
    cloud: AccountApi, values: dict[str, str], messages: list[str]
) -> None:
    found = problems(cloud, **values)
    assert len(found) == len(messages)
    assert all(problem.startswith(start) for problem, start in zip(found, messages, strict=True))


def test_only_droplets_of_other_stacks_count_towards_the_limit(cloud: AccountApi) -> None:
    cloud.account["droplet_limit"] = 7
    cloud.things["droplets"] = [
        _droplet(tag)
        for tag in ["slipway-test-prime", *["slipway-test-worker"] * 4, "slipway-test-2-worker"]
    ]
    cloud.things["droplets"].append({"tags": []})
    assert problems(cloud) == []
    assert problems(cloud, workers="5") == [
        "workers: the stack has 6 droplets, but the account may have 7 and already has 2 of other "
        "stacks; set fewer, or ask DigitalOcean for a higher limit"
    ]


def _droplet(tag: str, **changes: Any) -> dict[str, Any]:
    return {
        "tags": [tag],
        "image": {"id": 1},
        "region": {"slug": "nyc3"},
        "size_slug": "s-1vcpu-1gb",
        "status": "active",
        "networks": {"v4": [{"type": "public", "ip_address": "203.0.113.7"}]},
        **changes,
    }


@pytest.mark.parametrize(
    "change", [{"image": {"id": 2}}, {"region": {"slug": "ams3"}}, {"size_slug": "s-8vcpu-16gb"}]
)
def test_replaced_machines_need_two_droplets_each(
    cloud: AccountApi, change: dict[str, Any]
) -> None:
    tags = ["slipway-test-prime", *["slipway-test-worker"] * 4]
    cloud.things["droplets"] = [_droplet(tag, **change) for tag in tags]
    cloud.account["droplet_limit"] = 10
    assert problems(cloud) == []
    cloud.account["droplet_limit"] = 9
    assert problems(cloud) == [
        "workers: the update replaces 5 machines, the new ones first, and needs 10 droplets at "
        "once, but the account may have 9; ask DigitalOcean for a higher limit, or set fewer "
        "workers for this update"
    ]


def test_only_vpcs_of_other_stacks_must_not_overlap(cloud: AccountApi) -> None:
    cloud.things["vpcs"] = [
        {"name": "slipway-test", "ip_range": "10.10.0.0/20", "region": "nyc3"},
        {"name": "old", "ip_range": "10.10.8.0/24", "region": "ams3"},
        {"name": "far", "ip_range": "10.99.0.0/16", "region": "ams3"},
    ]
    assert problems(cloud) == [
        "vpc_cidr: 10.10.0.0/20 overlaps 10.10.8.0/24 of the VPC old in ams3; "
        "set 10.10.16.0/20, which is free"
    ]


def test_lists_are_read_to_their_last_page(cloud: AccountApi) -> None:
    cloud.page = 1
    assert problems(cloud, region="ams3", worker_size="s-8vcpu-16gb") == []


def test_transient_errors_are_retried(cloud: AccountApi) -> None:
    cloud.failing = [429, 500]
    assert problems(cloud) == []


def test_permanent_error_contains_the_apis_reason(cloud: AccountApi) -> None:
    cloud.failing = [403]
    with pytest.raises(ApiError, match="answers 403 to GET /v2/account: as the test wants it"):
        problems(cloud)


def test_wrong_token_is_reported(cloud: AccountApi) -> None:
    with pytest.raises(ApiError, match=r"rejects the token \(401\)"):
        survey(DigitalOceanApi(cloud.url, "wrong"), settings(), "slipway-test", "content-1")


def test_unreachable_api_is_reported(cloud: AccountApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.digitalocean_api.MAX_RETRIES", 0)
    with pytest.raises(ApiError, match="cannot be reached"):
        survey(
            DigitalOceanApi("http://127.0.0.1:9", TOKEN), settings(), "slipway-test", "content-1"
        )
