"""The removal of orphans: its order, its errors, and its interruption."""

import signal
import threading
import time

import pytest

from deploy.orphans import removal
from deploy.orphans.kinds import CloudResource
from deploy.orphans.removal import RemovalError
from deploy.orphans.spaces import Spaces
from infra.digitalocean_api import DigitalOceanApi
from tests.infra.support.account_api import TOKEN, AccountApi

PREFIX = "slipway-dev"
VPC = CloudResource("VPC", "vpc-1", PREFIX)


@pytest.fixture
def api(account: AccountApi) -> DigitalOceanApi:
    return DigitalOceanApi(account.url, TOKEN)


def test_machines_are_deleted_before_their_network(
    account: AccountApi, api: DigitalOceanApi
) -> None:
    account.things |= {
        "droplets": [{"id": 7}],
        "firewalls": [{"id": "f"}],
        "tags": [{"name": "slipway-dev-worker"}],
        "vpcs": [{"id": "vpc-1"}],
    }
    reported: list[str] = []
    orphans = [
        VPC,
        CloudResource("tag", "slipway-dev-worker", ""),
        CloudResource("firewall", "f", ""),
        CloudResource("droplet", "7", ""),
    ]
    removal.remove(orphans, api, Spaces(), PREFIX, lambda one: reported.append(one.kind))
    assert account.deleted == ["7", "f", "slipway-dev-worker", "vpc-1"]
    assert reported == ["droplet", "firewall", "tag", "VPC"]


def test_orphan_that_stays_is_an_error(
    account: AccountApi, api: DigitalOceanApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "DELETION_TIMEOUT_S", 0.05)
    account.things["vpcs"] = [{"id": "vpc-1"}]
    account.refusing = [403] * 1000
    with pytest.raises(RemovalError, match=r"VPC slipway-dev \(id vpc-1\) was not deleted .*403"):
        removal.remove([VPC], api, Spaces(), PREFIX, lambda _: None)


def test_refused_deletion_is_an_error(account: AccountApi, api: DigitalOceanApi) -> None:
    account.things["vpcs"] = [{"id": "vpc-1"}]
    account.refusing = [401]
    with pytest.raises(RemovalError, match="401"):
        removal.remove([VPC], api, Spaces(), PREFIX, lambda _: None)


def test_orphan_that_stays_keeps_no_other(account: AccountApi, api: DigitalOceanApi) -> None:
    account.things |= {"firewalls": [{"id": "f"}], "vpcs": [{"id": "vpc-1"}]}
    account.refusing = [401]
    with pytest.raises(RemovalError, match="401"):
        removal.remove(
            [CloudResource("firewall", "f", ""), VPC], api, Spaces(), PREFIX, lambda _: None
        )
    assert account.deleted == ["vpc-1"]


def test_interrupted_removal_starts_no_other_deletion_and_waits_for_none(
    account: AccountApi, api: DigitalOceanApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "MAX_CONCURRENT_DELETIONS", 1)
    account.things["keys"] = [{"id": id} for id in ("1", "2", "3")]
    account.refusing = [422] * 100_000
    requested: list[str] = []
    delete, main = api.delete, threading.get_ident()

    def interrupt(path: str) -> None:
        if not requested:
            signal.pthread_kill(main, signal.SIGINT)
        requested.append(path)
        delete(path)

    monkeypatch.setattr(api, "delete", interrupt)
    orphans = [CloudResource("SSH key", id, "") for id in ("1", "2", "3")]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        removal.remove(orphans, api, Spaces(), PREFIX, lambda _: None)
    assert time.monotonic() - start < removal.DELETION_TIMEOUT_S / 2
    assert set(requested) == {"/v2/account/keys/1"}
