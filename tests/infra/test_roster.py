"""Roster: which servers found a cluster, which are joined, and when a cluster is lost."""

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from infra.cluster.roster import Roster, RosterProvider
from infra.cluster_api.members import Member
from infra.digitalocean_api import ApiError
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.agents_api import member
from tests.infra.support.cloud import ADDED_OUTPUTS, run, start

FOUNDERS = [member(f"prime{number:02d}nyc3", number) for number in (1, 2, 3)]
SUCCESSORS = [member(f"prime{number:02d}nyc3-2", number + 10) for number in (1, 2, 3)]

NETWORK = "the-network"


@pytest.fixture
def account() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        exist(api, *FOUNDERS)
        yield api


@pytest.fixture
def provider(account: AccountApi) -> RosterProvider:
    return configured(account.url)


def configured(url: str, token: str = TOKEN) -> RosterProvider:
    config = {"digitalocean:apiEndpoint": url, "digitalocean:token": token}
    made = RosterProvider()
    made.configure(ConfigureRequest(Config(config, "slipway")))
    return made


def exist(account: AccountApi, *servers: Member) -> None:
    """Let the account have these droplets."""
    account.things["droplets"] = [
        {"id": int(server["droplet"]), "name": server["name"], "vpc_uuid": NETWORK}
        for server in servers
    ]


def props(servers: Any, network: str = NETWORK) -> dict[str, Any]:
    return {"servers": servers, "network": network, "former": None, "founders": None}


@pytest.fixture
def founded(provider: RosterProvider) -> dict[str, Any]:
    outs = provider.create(props(FOUNDERS)).outs
    assert outs is not None
    return outs


def update(provider: RosterProvider, olds: dict[str, Any], servers: list[Member]) -> dict[str, Any]:
    outs = provider.update("the-cluster", olds, props(servers)).outs
    assert outs is not None
    return outs


def test_first_servers_found_the_cluster(founded: dict[str, Any]) -> None:
    assert founded == {
        "servers": FOUNDERS,
        "network": NETWORK,
        "former": [],
        "founders": ["1", "2", "3"],
    }


def test_every_cluster_has_an_identity_of_its_own(provider: RosterProvider) -> None:
    assert provider.create(props(FOUNDERS)).id != provider.create(props(FOUNDERS)).id


def test_later_servers_never_found_a_cluster(
    provider: RosterProvider, account: AccountApi, founded: dict[str, Any]
) -> None:
    exist(account, *FOUNDERS, *SUCCESSORS)
    updated = update(provider, founded, SUCCESSORS)
    assert updated["founders"] == founded["founders"]
    assert updated["servers"] == SUCCESSORS


def test_servers_that_are_replaced_are_former_while_their_droplets_exist(
    provider: RosterProvider, account: AccountApi, founded: dict[str, Any]
) -> None:
    exist(account, *FOUNDERS[:2], *SUCCESSORS)
    updated = update(provider, founded, [*SUCCESSORS[:2], FOUNDERS[2]])
    assert updated["former"] == FOUNDERS[:2]
    # An interrupted update keeps them; a completed one deletes them.
    exist(account, FOUNDERS[1], *SUCCESSORS)
    assert update(provider, updated, SUCCESSORS)["former"] == [FOUNDERS[1]]


def test_unchanged_servers_change_nothing_and_need_no_account(
    provider: RosterProvider, account: AccountApi, founded: dict[str, Any]
) -> None:
    found = provider.diff(
        "the-cluster", {**founded, "__provider": "old"}, {**props(FOUNDERS), "__provider": "new"}
    )
    assert (found.changes, bool(found.replaces)) == (False, False)
    assert account.requests == []


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize("servers", [SUCCESSORS, FOUNDERS[:1], [*FOUNDERS, *SUCCESSORS], UNKNOWN])
@pytest.mark.parametrize("existing", [FOUNDERS, FOUNDERS[2:]])
def test_cluster_stays_while_one_of_its_servers_exists(
    provider: RosterProvider,
    account: AccountApi,
    founded: dict[str, Any],
    servers: Any,
    existing: list[Member],
) -> None:
    exist(account, *existing)
    found = provider.diff("the-cluster", founded, props(servers))
    assert (found.changes, bool(found.replaces)) == (True, False)


def test_cluster_stays_while_a_former_server_exists(
    provider: RosterProvider, account: AccountApi, founded: dict[str, Any]
) -> None:
    olds = {**founded, "servers": SUCCESSORS, "former": FOUNDERS}
    exist(account, FOUNDERS[0])
    assert not provider.diff("the-cluster", olds, props(UNKNOWN)).replaces


@pytest.mark.parametrize("servers", [SUCCESSORS, UNKNOWN])
def test_cluster_without_any_server_is_founded_again(
    provider: RosterProvider, account: AccountApi, founded: dict[str, Any], servers: Any
) -> None:
    exist(account, *SUCCESSORS)
    assert provider.diff("the-cluster", founded, props(servers)).replaces == ["servers"]


@pytest.mark.parametrize("network", ["another", UNKNOWN])
@pytest.mark.parametrize("servers", [SUCCESSORS, UNKNOWN])
def test_another_network_has_another_cluster_while_the_former_servers_exist(
    provider: RosterProvider, founded: dict[str, Any], servers: Any, network: str
) -> None:
    earlier = {name: value for name, value in founded.items() if name != "network"}
    for olds in (founded, earlier):
        assert provider.diff("the-cluster", olds, props(servers, network)).replaces == ["servers"]


def test_roster_of_an_earlier_version_does_not_change(
    provider: RosterProvider, founded: dict[str, Any]
) -> None:
    earlier = {name: value for name, value in founded.items() if name != "network"}
    assert not provider.diff("the-cluster", earlier, props(FOUNDERS)).changes


def test_unreadable_account_never_means_a_lost_cluster(
    account: AccountApi, founded: dict[str, Any]
) -> None:
    exist(account)
    provider = configured(account.url, "another")
    with pytest.raises(ApiError, match="rejects the token"):
        provider.diff("the-cluster", founded, props(SUCCESSORS))
    with pytest.raises(ApiError, match="rejects the token"):
        provider.update("the-cluster", founded, props(SUCCESSORS))


def test_agents_join_declared_and_former_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        ADDED_OUTPUTS,
        "pulumi-python:dynamic/slipway:Roster",
        lambda *_: {"former": FOUNDERS[:1], "founders": ["1", "2"]},
    )
    start()
    seen: list[Any] = []

    def program() -> pulumi.Output[Any]:
        roster = Roster("roster", servers=SUCCESSORS, network=NETWORK)
        expected = [
            roster.bootstrap_expect(pulumi.Output.from_input(droplet)) for droplet in ("2", "12")
        ]
        return pulumi.Output.all(roster.addresses, *expected).apply(seen.extend)

    run(program)
    addresses, founder, successor = seen
    assert addresses == ["10.10.0.11", "10.10.0.12", "10.10.0.13", "10.10.0.1"]
    assert (founder, successor) == (2, 0)
