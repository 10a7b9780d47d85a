"""Generations: their numbers, and the names of machines that exist."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from infra import generation
from infra.digitalocean_api import ApiError
from infra.generation import GenerationProvider
from tests.infra.support.account_api import TOKEN, AccountApi, serving

TAG = "slipway-test-worker"


@pytest.fixture
def account() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        yield api


@pytest.fixture
def provider(account: AccountApi, monkeypatch: pytest.MonkeyPatch) -> GenerationProvider:
    """The provider process of one update."""
    monkeypatch.setattr(generation, "_droplet_names", {})
    return configured(account.url)


def configured(url: str, token: str = TOKEN) -> GenerationProvider:
    config = {"digitalocean:apiEndpoint": url, "digitalocean:token": token}
    made = GenerationProvider()
    made.configure(ConfigureRequest(Config(config, "slipway")))
    return made


def droplets(account: AccountApi, *names: str, tag: str = TAG) -> None:
    account.things["droplets"] = [
        {"id": number, "name": name, "tags": [tag]} for number, name in enumerate(names, 1)
    ]


def props(**keepers: str) -> dict[str, Any]:
    return {
        "slot": "worker01",
        "first_name": "worker01nyc3",
        "tag": TAG,
        "keepers": {"image": "1", "size": "small", **keepers},
        "number": None,
        "name": None,
    }


def create(provider: GenerationProvider) -> dict[str, Any]:
    outs = provider.create(props()).outs
    assert outs is not None
    return outs


def numbered(number: int) -> dict[str, Any]:
    """Return the state of a generation."""
    name = "worker01nyc3" if number == 1 else f"worker01nyc3-{number}"
    return {**props(), "number": float(number), "name": name}


def test_first_generation_has_the_name_of_the_slot(provider: GenerationProvider) -> None:
    created = provider.create(props())
    assert created.id == "worker01"
    assert created.outs == {**props(), "number": 1, "name": "worker01nyc3"}


def test_generation_counts_on_from_the_droplets_in_the_account(
    provider: GenerationProvider, account: AccountApi
) -> None:
    droplets(account, "worker01nyc3", "worker01nyc3-4", "worker01nyc3-3")
    assert create(provider)["name"] == "worker01nyc3-5"


@pytest.mark.parametrize(
    "others", [("worker010nyc3-7", "worker02nyc3-9", "worker01nyc3-x"), ("worker01ams3-7",)]
)
def test_machines_of_other_slots_do_not_count(
    provider: GenerationProvider, account: AccountApi, others: tuple[str, ...]
) -> None:
    droplets(account, *others)
    assert create(provider)["name"] == "worker01nyc3"


def test_droplets_of_other_stacks_do_not_count(
    provider: GenerationProvider, account: AccountApi
) -> None:
    droplets(account, "worker01nyc3", tag="slipway-other-worker")
    assert create(provider)["name"] == "worker01nyc3"


def test_all_pages_of_droplets_count(provider: GenerationProvider, account: AccountApi) -> None:
    account.page = 2
    droplets(account, "worker02nyc3", "worker03nyc3", "worker01nyc3", "worker01nyc3-2")
    assert create(provider)["number"] == 3


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (["worker01nyc3-3"], 4),
        # The droplet was deleted by hand.
        ([], 4),
        # A failed update left a newer one.
        (["worker01nyc3-3", "worker01nyc3-6"], 7),
    ],
)
def test_changed_keeper_starts_the_next_generation(
    provider: GenerationProvider, account: AccountApi, existing: list[str], expected: int
) -> None:
    droplets(account, *existing)
    assert provider.diff("worker01", numbered(3), props(image="2")).changes
    updated = provider.update("worker01", numbered(3), props(image="2")).outs
    assert updated == {
        **props(image="2"),
        "number": expected,
        "name": f"worker01nyc3-{expected}",
    }


def test_generation_is_updated_and_never_replaced(provider: GenerationProvider) -> None:
    """Its id is the slot, and an output that is unknown in a preview replaces the droplet."""
    assert not provider.diff("worker01", numbered(3), props(image="2")).replaces


def test_lost_machine_starts_the_next_generation(
    provider: GenerationProvider, account: AccountApi
) -> None:
    droplets(account, "worker02nyc3")
    assert provider.diff("worker01", numbered(3), props()).changes
    updated = provider.update("worker01", numbered(3), props()).outs
    assert updated is not None and updated["name"] == "worker01nyc3-4"


def test_machine_without_its_tag_is_not_lost(
    provider: GenerationProvider, account: AccountApi
) -> None:
    droplets(account, "worker01nyc3-3", tag="another")
    assert not provider.diff("worker01", numbered(3), props()).changes


def test_unchanged_keepers_of_an_existing_machine_change_nothing(
    provider: GenerationProvider, account: AccountApi
) -> None:
    droplets(account, "worker01nyc3-3")
    moved = {**props(), "tag": "slipway-renamed-worker", "__provider": "new"}
    assert not provider.diff("worker01", {**numbered(3), "__provider": "old"}, moved).changes


def test_one_update_reads_the_droplets_of_a_role_once(
    provider: GenerationProvider, account: AccountApi
) -> None:
    for _ in range(3):
        provider.create(props())
    assert len(account.requests) == 1
    provider.create({**props(), "tag": "slipway-test-prime"})
    assert len(account.requests) == 2


def test_unreadable_account_starts_no_generation(
    provider: GenerationProvider, account: AccountApi
) -> None:
    """Number 1 might be the name of a machine that exists."""
    droplets(account, "worker01nyc3")
    with pytest.raises(ApiError, match="rejects the token"):
        configured(account.url, "another").create(props())
    assert create(provider)["number"] == 2
