"""Servers that do not answer: when an update is refused, and when it may go on."""

import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from pulumi.runtime import set_all_config

from infra import reachability, ssh
from infra.preflight import preflight
from infra.reachability import Reachability, probe
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.cloud import FakeCloud, start

SILENT = Reachability(has_consul=False, is_silent=True)
STACK = "organization/slipway/test"
NOBODY, PRIME = "127.0.0.9", "127.0.0.1"
Prepare = Callable[..., FakeCloud]


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make connections to ``NOBODY`` time out, as if a firewall dropped the packets."""
    monkeypatch.setattr(reachability, "PROBE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(reachability, "CONNECT_TIMEOUT_S", 0.1)
    connect = socket.create_connection

    def slow(address: tuple[str, int], timeout: float) -> socket.socket:
        if address[0] == NOBODY:
            time.sleep(timeout)
            raise TimeoutError
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", slow)
    yield


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A listening socket at ``PRIME``; no other port of the probe listens."""
    for module, name in (
        (reachability, "CONSUL_HTTPS_PORT"),
        (reachability, "NOMAD_HTTPS_PORT"),
        (ssh, "PORT"),
    ):
        monkeypatch.setattr(module, name, _closed_port())
    with socket.create_server((PRIME, 0)) as server:
        yield server


def _closed_port() -> int:
    with socket.create_server((PRIME, 0)) as server:
        return int(server.getsockname()[1])


def test_consul_of_any_server_is_enough(
    silence: None, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "CONSUL_HTTPS_PORT", listener.getsockname()[1])
    start_s = time.monotonic()
    assert probe([NOBODY, PRIME]) == Reachability(has_consul=True, is_silent=False)
    assert time.monotonic() - start_s < 0.4


def test_machine_without_agents_is_not_silent(
    silence: None, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prime that boots refuses connections, or has SSH before its agents."""
    refusing = Reachability(has_consul=False, is_silent=False)
    assert probe([NOBODY, PRIME]) == refusing
    monkeypatch.setattr(ssh, "PORT", listener.getsockname()[1])
    assert probe([PRIME]) == refusing


def test_servers_that_answer_nothing_are_silent(silence: None) -> None:
    start_s = time.monotonic()
    assert probe([NOBODY, NOBODY]) == SILENT
    assert time.monotonic() - start_s < 0.7
    assert probe([]) == SILENT


@pytest.fixture
def account() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        yield api


@pytest.fixture
def prepare(
    account: AccountApi, silence: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Prepare]:
    """An update or preview of a stack whose cluster was complete, and is silent."""
    for name, value in {
        "DIGITALOCEAN_TOKEN": TOKEN,
        "DIGITALOCEAN_API_URL": account.url,
        "SPACES_ACCESS_KEY_ID": "key",
        "SPACES_SECRET_ACCESS_KEY": "secret",
        "SPACES_ENDPOINT_URL": "http://127.0.0.1:9",
        "SLIPWAY_ADMIN_CIDRS": "198.18.0.2/32, 2001:db8::/48",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLIPWAY_RELEASES_KEY", raising=False)
    set_all_config({})
    account.things["droplets"] = [_prime(NOBODY)]
    account.things["firewalls"] = [
        _firewall("slipway-test-nodes", "198.18.0.2", "2001:db8::/48"),
        _firewall("slipway-other-nodes", "203.0.113.9"),
    ]

    def stack(*, preview: bool = False) -> FakeCloud:
        cloud = start(preview=preview)
        cloud.stack_outputs[STACK] = {"consul_addresses": [f"https://{NOBODY}:8501"]}
        return cloud

    yield stack


def _prime(address: str, status: str = "active") -> dict[str, Any]:
    return {
        "name": "prime01nyc3",
        "tags": ["slipway-test-prime"],
        "image": {"id": 1},
        "region": {"slug": "nyc3"},
        "size_slug": "s-1vcpu-1gb",
        "vpc_uuid": "the-network",
        "status": status,
        "networks": {"v4": [{"type": "public", "ip_address": address}]},
    }


def _firewall(name: str, *sources: str) -> dict[str, Any]:
    rules = [
        {"protocol": "tcp", "ports": "22", "sources": {"addresses": list(sources)}},
        {"protocol": "tcp", "ports": "8301", "sources": {"tags": ["slipway-test-worker"]}},
    ]
    return {"name": name, "inbound_rules": rules}


def test_update_of_a_silent_cluster_is_refused_with_the_remedies(prepare: Prepare) -> None:
    prepare()
    with pytest.raises(pulumi.RunError) as refused:
        preflight()
    assert str(refused.value) == (
        "no server of the cluster answers (127.0.0.9; ports 8501, 4646 and 22), so nothing was "
        "changed: check that slipway:admin_cidrs contains the address of this machine, and that "
        "the primes run; if they have just started, run `up` again"
    )


def test_update_with_all_primes_off_is_refused(prepare: Prepare, account: AccountApi) -> None:
    prepare()
    account.things["droplets"] = [_prime(NOBODY, "off")]
    with pytest.raises(pulumi.RunError, match="powered off, so nothing was changed: power one on"):
        preflight()


def test_preview_of_a_silent_cluster_only_says_so(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(preview=True)
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    assert not preflight().has_consul
    [warning] = warnings
    assert warning.startswith("an update would stop: no server of the cluster answers")


def test_first_update_goes_on_while_its_primes_boot(prepare: Prepare) -> None:
    """It has no outputs before it is complete."""
    prepare().stack_outputs.clear()
    assert not preflight().has_consul


@pytest.mark.parametrize("urls", [None, [], ["https://127.0.0.8:8501"]])
def test_update_goes_on_while_other_primes_than_those_of_the_outputs_boot(
    prepare: Prepare, urls: list[str] | None
) -> None:
    prepare().stack_outputs[STACK] = {"consul_addresses": urls}
    assert not preflight().has_consul


@pytest.mark.parametrize("sources", [["203.0.113.9"], ["198.18.0.2"], []])
def test_update_that_changes_the_firewall_goes_on(
    prepare: Prepare, account: AccountApi, sources: list[str]
) -> None:
    """The remedy for a wrong ``admin_cidrs`` is an update."""
    prepare()
    account.things["firewalls"] = [_firewall("slipway-test-nodes", *sources)]
    assert not preflight().has_consul


def test_update_goes_on_if_a_server_answers(
    prepare: Prepare,
    account: AccountApi,
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare()
    account.things["droplets"] += [{**_prime(PRIME), "name": "prime02nyc3"}]
    assert not preflight().has_consul
    monkeypatch.setattr(reachability, "CONSUL_HTTPS_PORT", listener.getsockname()[1])
    assert preflight().has_consul


@pytest.mark.parametrize(("failures", "is_read"), [(2, True), (reachability.MAX_READS, False)])
def test_a_state_that_is_being_written_is_read_again(
    monkeypatch: pytest.MonkeyPatch, failures: int, is_read: bool
) -> None:
    monkeypatch.setattr(reachability, "POLL_INTERVAL_S", 0.0)
    errors = ["invocation returned an error: failed to load checkpoint: EOF"] * failures

    def invoke(_token: str, args: dict[str, str]) -> SimpleNamespace:
        if errors:
            raise Exception(errors.pop())
        return SimpleNamespace(value={"outputs": args})

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    if is_read:
        assert reachability._read_outputs("dev") == {"outputs": {"name": "dev"}}
    else:
        with pytest.raises(Exception, match="failed to load checkpoint"):
            reachability._read_outputs("dev")
