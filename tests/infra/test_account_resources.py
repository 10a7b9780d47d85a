"""Firewalls and load balancers that somebody deletes or changes."""

from collections.abc import Iterator
from typing import Any

import pulumi_digitalocean as digitalocean
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from infra.drift.account_resources import AccountResourcesProvider
from infra.drift.request_bodies import firewall_body, load_balancer_body
from tests.rehearsal.plugins.support.service import Call, Reply, Service

SOURCES = {"addresses": ["198.18.0.2/32"], "tags": ["b"]}
RULE = {"protocol": "tcp", "ports": "22", "sources": SOURCES}
BODY = {"name": "nodes", "port": 22, "tags": ["a"], "inbound_rules": [RULE]}
NONE = {"nodes": 0, "edge": 0}


class Account:
    """An account with firewalls."""

    def __init__(self) -> None:
        self.firewalls: list[dict[str, Any]] = [{**BODY, "id": "1"}, {"name": "edge", "id": "2"}]
        self.status = 200
        self.puts: list[tuple[str, Any]] = []
        self.tags = ["a", "b"]

    def answer(self, call: Call) -> Reply:
        if call.method == "PUT":
            self.puts.append((call.path, call.body))
            return Reply(200, {})
        if call.method == "POST":
            self.tags.append(call.body["name"])
            return Reply(201, {})
        if call.path.startswith("/v2/tags/"):
            return Reply(200 if call.path.rpartition("/")[2] in self.tags else 404, {})
        return Reply(self.status, {"firewalls": self.firewalls})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def provider(account: Account) -> Iterator[AccountResourcesProvider]:
    with Service(account.answer) as service:
        config = {"digitalocean:apiEndpoint": service.url, "digitalocean:token": "t"}
        made = AccountResourcesProvider()
        made.configure(ConfigureRequest(Config(config, "slipway")))
        yield made


def props(**bodies: Any) -> dict[str, Any]:
    return {
        "collection": "firewalls",
        "bodies": bodies or {"nodes": BODY, "edge": {"name": "edge"}},
        "replacements": NONE,
        "repairs": NONE,
    }


def update(provider: AccountResourcesProvider, olds: dict[str, Any]) -> dict[str, Any]:
    """Return the state after an update of an unchanged program. Its numbers are floats."""
    news = provider.check(olds, props(nodes={**BODY, "port": 22.0}, edge={"name": "edge"})).inputs
    if not provider.diff("firewalls", olds, news).changes:
        return olds
    outs = provider.update("firewalls", olds, news).outs
    assert outs is not None
    return outs


def test_a_new_stack_sends_no_request(provider: AccountResourcesProvider, account: Account) -> None:
    account.firewalls = []
    assert provider.check({}, props()).inputs == props()
    assert provider.create(props()).outs == props()


def test_resources_as_declared_are_left_alone(
    provider: AccountResourcesProvider, account: Account
) -> None:
    assert update(provider, props()) == props()
    assert account.puts == []


def test_a_deleted_resource_is_replaced_once(
    provider: AccountResourcesProvider, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = account.firewalls.pop(0)
    state = update(provider, props())
    assert state["replacements"] == {"nodes": 1, "edge": 0}
    assert "nodes does not exist" in capsys.readouterr().out
    account.firewalls.append(lost)
    assert update(provider, state) == state


def test_a_changed_resource_is_put_right_in_place(
    provider: AccountResourcesProvider, account: Account
) -> None:
    account.firewalls[0]["inbound_rules"] = [RULE, {**RULE, "ports": "23"}]
    state = update(provider, props())
    assert account.puts == [("/v2/firewalls/1", BODY)]
    assert isinstance(account.puts[0][1]["port"], int)
    assert (state["replacements"], state["repairs"]) == (NONE, {"nodes": 1, "edge": 0})
    account.firewalls[0]["inbound_rules"] = [RULE]
    assert update(provider, state) == state


def test_a_deleted_tag_is_created_before_the_firewall_that_names_it(
    provider: AccountResourcesProvider, account: Account
) -> None:
    account.firewalls[0]["tags"] = []
    account.tags = ["a"]
    update(provider, props())
    assert account.tags == ["a", "b"]
    assert account.puts == [("/v2/firewalls/1", BODY)]


def test_the_program_may_change_the_declaration(
    provider: AccountResourcesProvider, account: Account
) -> None:
    """The provider's own resource changes the account, which is as declared last."""
    news = provider.check(props(), props(nodes={**BODY, "tags": ["b"]}, edge={"name": "edge"}))
    assert news.inputs["replacements"] == news.inputs["repairs"] == NONE
    assert provider.diff("firewalls", props(), news.inputs).changes
    provider.update("firewalls", props(), news.inputs)
    assert account.puts == []


def test_without_an_answer_the_counts_stay(
    provider: AccountResourcesProvider, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.status, account.firewalls = 403, []
    state = {**props(), "replacements": {"nodes": 2.0, "edge": 0.0}}
    assert update(provider, state) == state
    assert "firewalls are not compared" in capsys.readouterr().out


def test_a_refresh_finds_no_change(provider: AccountResourcesProvider, account: Account) -> None:
    """It calls ``diff`` with the state only."""
    account.firewalls = []
    assert not provider.diff("firewalls", props(), props()).changes


def test_bodies_have_all_that_the_program_declares() -> None:
    firewall = digitalocean.FirewallArgs(
        name="edge",
        tags=["worker"],
        inbound_rules=[
            digitalocean.FirewallInboundRuleArgs(
                protocol="tcp", port_range="8080", source_load_balancer_uids=["lb"]
            )
        ],
        outbound_rules=[
            digitalocean.FirewallOutboundRuleArgs(protocol="icmp", destination_addresses=["::/0"])
        ],
    )
    sources = {"addresses": [], "tags": [], "load_balancer_uids": ["lb"], "droplet_ids": []}
    assert firewall_body(firewall) == {
        "name": "edge",
        "tags": ["worker"],
        "droplet_ids": [],
        "inbound_rules": [{"protocol": "tcp", "ports": "8080", "sources": sources}],
        "outbound_rules": [{"protocol": "icmp", "destinations": {"addresses": ["::/0"]}}],
    }
    balancer = digitalocean.LoadBalancerArgs(
        name="edge",
        region="nyc3",
        droplet_tag="worker",
        forwarding_rules=[
            digitalocean.LoadBalancerForwardingRuleArgs(
                entry_protocol="http", entry_port=80, target_protocol="http", target_port=8080
            )
        ],
        healthcheck=digitalocean.LoadBalancerHealthcheckArgs(protocol="http", port=8080),
    )
    body = load_balancer_body(balancer)
    assert (body["region"], body["tag"]) == ("nyc3", "worker")
    assert body["forwarding_rules"] == [
        {
            "entry_protocol": "http",
            "entry_port": 80,
            "target_protocol": "http",
            "target_port": 8080,
        }
    ]
    assert body["health_check"]["port"] == 8080
