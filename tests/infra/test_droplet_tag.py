"""Droplets that somebody untags, and tags that somebody deletes."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from infra.drift.droplet_tag import DropletTagProvider
from tests.rehearsal.plugins.support.service import Call, Reply, Service

PROPS = {"tag": "worker", "droplets": ["1", "2"]}


class Account:
    """An account with droplets, and the tag if ``has_tag``."""

    def __init__(self) -> None:
        self.tags = {1: ["worker"], 2: ["worker", "mine"], 3: []}
        self.has_tag = True
        self.status = 200
        self.posts: list[tuple[str, Any]] = []

    def answer(self, call: Call) -> Reply:
        if call.method == "POST":
            self.posts.append((call.path, call.body))
            return Reply(201, {})
        if call.path.startswith("/v2/tags"):
            return Reply(200 if self.has_tag else 404, {"tag": {"name": "worker"}})
        droplets = [{"id": id, "tags": tags} for id, tags in self.tags.items()]
        return Reply(self.status, {"droplets": droplets})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def provider(account: Account) -> Iterator[DropletTagProvider]:
    with Service(account.answer) as service:
        config = {"digitalocean:apiEndpoint": service.url, "digitalocean:token": "t"}
        made = DropletTagProvider()
        made.configure(ConfigureRequest(Config(config, "slipway")))
        yield made


def test_tagged_droplets_need_no_update(provider: DropletTagProvider, account: Account) -> None:
    assert provider.create(PROPS).outs == PROPS
    assert not provider.diff("worker", PROPS, PROPS).changes
    assert account.posts == []


def test_an_untagged_droplet_is_tagged(provider: DropletTagProvider, account: Account) -> None:
    account.tags[2] = ["mine"]
    assert provider.diff("worker", PROPS, PROPS).changes
    provider.update("worker", PROPS, PROPS)
    resources = [{"resource_id": "2", "resource_type": "droplet"}]
    assert account.posts == [("/v2/tags/worker/resources", {"resources": resources})]


def test_a_deleted_tag_is_created(provider: DropletTagProvider, account: Account) -> None:
    account.tags, account.has_tag = {1: [], 2: []}, False
    provider.update("worker", PROPS, PROPS)
    assert [path for path, _ in account.posts] == ["/v2/tags", "/v2/tags/worker/resources"]
    assert account.posts[0][1] == {"name": "worker"}


def test_a_deleted_droplet_needs_no_tag(provider: DropletTagProvider, account: Account) -> None:
    del account.tags[2]
    assert not provider.diff("worker", PROPS, PROPS).changes


def test_without_an_answer_nothing_changes(
    provider: DropletTagProvider, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.status = 403
    assert not provider.diff("worker", PROPS, PROPS).changes
    assert "are not compared" in capsys.readouterr().out


def test_other_droplets_are_an_update(provider: DropletTagProvider) -> None:
    assert provider.diff("worker", PROPS, {**PROPS, "droplets": ["1", "3"]}).changes
