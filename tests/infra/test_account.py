"""The account: what it offers, compared with what the settings ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.account import Account, survey
from infra.digitalocean_api import ApiError, DigitalOceanApi
from infra.settings import Settings, load
from tests.infra.support.account_api import TOKEN, AccountApi, serving


@pytest.fixture
def cloud() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        api.things["vpcs"] = [HERE]
        yield api


HERE = {
    "id": "here",
    "name": "slipway-test-nyc3-10-10-0-0",
    "ip_range": "10.10.0.0/20",
    "region": "nyc3",
}
THERE = {**HERE, "id": "there", "name": "slipway-test-ams3-10-10-16-0", "region": "ams3"} | {
    "ip_range": "10.10.16.0/20"
}


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
        *_machines(),
        _droplet("worker01nyc3", tags=["slipway-test-2-worker"]),
        _droplet("unrelated", tags=[]),
    ]
    assert problems(cloud) == []
    assert problems(cloud, workers="5") == [
        "workers: the stack has 6 droplets, but the account may have 7 and already has 2 of other "
        "stacks; set fewer, or ask DigitalOcean for a higher limit"
    ]


def _droplet(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "tags": [f"slipway-test-{'worker' if name.startswith('worker') else 'prime'}"],
        "image": {"id": 1},
        "region": {"slug": "nyc3"},
        "vpc_uuid": "here",
        "size_slug": "s-1vcpu-1gb",
        "status": "active",
        "networks": {"v4": [{"type": "public", "ip_address": "203.0.113.7"}]},
        **changes,
    }


def _machines(suffix: str = "nyc3", **changes: Any) -> list[dict[str, Any]]:
    """Return a droplet for each slot of the stack."""
    labels = ["prime01", *(f"worker{number:02d}" for number in range(1, 5))]
    return [_droplet(f"{label}{suffix}", **changes) for label in labels]


BATCHES = "replace at most 4 at a time with `python -m deploy up STACK --batch 4`"
FEWER_WORKERS = "set fewer workers for this update"
OTHER_IMAGE: dict[str, Any] = {"image": {"id": 2}}
THERE_TOO: dict[str, Any] = {"vpc_uuid": "there"}
"""In another network of the stack."""
OTHER_SIZE: dict[str, Any] = {"size_slug": "s-8vcpu-16gb"}


@pytest.mark.parametrize(
    ("droplets", "remedy"),
    [
        (_machines(**OTHER_IMAGE), BATCHES),
        (_machines(**OTHER_SIZE), BATCHES),
        (_machines("ams3", **THERE_TOO), FEWER_WORKERS),
        (_machines(**THERE_TOO), FEWER_WORKERS),
    ],
)
def test_replaced_machines_need_two_droplets_each(
    cloud: AccountApi, droplets: list[dict[str, Any]], remedy: str
) -> None:
    cloud.things["droplets"] = droplets
    cloud.account["droplet_limit"] = 10
    assert problems(cloud) == []
    cloud.account["droplet_limit"] = 9
    assert problems(cloud) == [
        "workers: the update creates 5 droplets before it deletes any, and needs 10 at once, but "
        f"the account may have 9; ask DigitalOcean for a higher limit, or {remedy}"
    ]
    cloud.account["droplet_limit"] = 5
    [problem] = problems(cloud)
    assert problem.endswith(f"or {FEWER_WORKERS}")


@pytest.mark.parametrize(
    ("droplets", "batch", "peak"),
    [
        (_machines(**OTHER_IMAGE), "worker01, worker02", 7),
        (_machines(**OTHER_SIZE), "prime01", 6),
        # A lost machine is created again, whatever the batch.
        (_machines(**OTHER_IMAGE)[1:], "worker01", 6),
    ],
)
def test_only_the_machines_of_a_batch_are_replaced(
    cloud: AccountApi, droplets: list[dict[str, Any]], batch: str, peak: int
) -> None:
    cloud.things["droplets"] = droplets
    cloud.account["droplet_limit"] = peak
    assert problems(cloud, batch=batch) == []
    cloud.account["droplet_limit"] = peak - 1
    assert len(problems(cloud, batch=batch)) == 1


@pytest.mark.parametrize(
    ("droplets", "values", "peak"),
    [
        # An update was interrupted after all new droplets, or two of them, were created.
        ([*_machines(**OTHER_IMAGE), *_machines("nyc3-2")], {}, None),
        ([*_machines(**OTHER_IMAGE), *_machines("nyc3-2")[3:]], {}, 10),
        ([*_machines("ams3", **THERE_TOO), *_machines()], {}, None),
        # The new droplets are of another image again.
        ([*_machines(), *_machines("nyc3-2", **OTHER_IMAGE)], {}, 15),
        # Generations are compared as numbers.
        ([*_machines("nyc3-9", **OTHER_IMAGE), *_machines("nyc3-10")], {}, None),
        # One machine was lost; one is added; one leaves.
        (_machines()[1:], {}, 5),
        (_machines(), {"workers": "5"}, 6),
        (_machines(), {"workers": "3"}, None),
        (_machines(**OTHER_IMAGE), {"workers": "3"}, 9),
    ],
)
def test_only_droplets_that_an_update_still_creates_are_added(
    cloud: AccountApi,
    droplets: list[dict[str, Any]],
    values: dict[str, str],
    peak: int | None,
) -> None:
    """Without a peak, the update creates no droplet, and no limit refuses it."""
    cloud.things["droplets"] = droplets
    cloud.account["droplet_limit"] = peak or 5
    assert problems(cloud, **values) == []
    cloud.account["droplet_limit"] = peak - 1 if peak else 5
    assert len(problems(cloud, **values)) == (1 if peak else 0)


@pytest.mark.parametrize("own", ["slipway-test", "slipway-test-nyc3-10-10-0-0"])
def test_only_vpcs_of_other_stacks_must_not_overlap(cloud: AccountApi, own: str) -> None:
    cloud.things["vpcs"] = [
        {**HERE, "name": own},
        {"id": "1", "name": "old", "ip_range": "10.10.8.0/24", "region": "ams3"},
        {"id": "2", "name": "far", "ip_range": "10.99.0.0/16", "region": "ams3"},
    ]
    assert problems(cloud) == [
        "vpc_cidr: 10.10.0.0/20 overlaps 10.10.8.0/24 of the VPC old in ams3; "
        "set 10.10.16.0/20, which is free"
    ]


def test_range_of_the_former_network_is_taken_until_the_stack_has_moved(cloud: AccountApi) -> None:
    assert problems(cloud, region="ams3", vpc_cidr="10.10.0.0/20") == [
        "vpc_cidr: 10.10.0.0/20 overlaps 10.10.0.0/20 of the stack's network in nyc3, which exists "
        "until the stack has moved; set 10.10.16.0/20, which is free"
    ]
    assert problems(cloud, region="ams3") == []


def moved(cloud: AccountApi, **values: str) -> Account:
    return survey(
        DigitalOceanApi(cloud.url, TOKEN), settings(**values), "slipway-test", "content-1"
    )[0]


@pytest.mark.parametrize("values", [{"region": "ams3"}, {"vpc_cidr": "10.20.0.0/20"}])
def test_move_is_recognised_by_the_network_of_the_primes(
    cloud: AccountApi, values: dict[str, str]
) -> None:
    assert moved(cloud, **values).former_network is None
    cloud.things["droplets"] = _machines()
    assert moved(cloud).former_network is None
    assert moved(cloud, **values).former_network == HERE
    assert moved(cloud, **values).servers == ("203.0.113.7",)


def test_servers_of_the_former_network_are_not_used_after_an_interrupted_move(
    cloud: AccountApi,
) -> None:
    address = {"networks": {"v4": [{"type": "public", "ip_address": "203.0.113.8"}]}}
    cloud.things["vpcs"] = [HERE, THERE]
    cloud.things["droplets"] = [*_machines(), *_machines("ams3", **THERE_TOO, **address)]
    account = moved(cloud, region="ams3")
    assert (account.servers, account.former_network) == (("203.0.113.8",), None)


@pytest.mark.parametrize("values", [{"region": "ams3"}, {"vpc_cidr": "10.20.0.0/20"}])
def test_batch_of_machines_cannot_move(cloud: AccountApi, values: dict[str, str]) -> None:
    cloud.things["droplets"] = _machines()
    assert problems(cloud, batch="worker01") == []
    [problem] = problems(cloud, batch="worker01", **values)
    assert problem.endswith(
        "is not possible in batches, because all new machines must exist at "
        "once; run `up` without --batch"
    )


def test_bucket_with_a_given_name_cannot_move(cloud: AccountApi) -> None:
    cloud.things["droplets"] = _machines()
    for values in ({"artifacts_bucket": "ours"}, {"region": "ams3"}):
        assert problems(cloud, **values) == []
    assert problems(cloud, artifacts_bucket="ours-ams3", region="ams3") == []
    assert problems(cloud, artifacts_bucket="ours", region="ams3") == [
        "artifacts_bucket: ours cannot move from nyc3 to ams3, and another bucket needs another "
        "name; set ours-ams3, or remove the setting"
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
