"""The bucket, the keys and the schedule of backups: what primes receive, and their tokens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import ssh
from infra.backup.schedule import BackupSchedule, BackupScheduleProvider, ScheduleError
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.consul_acl import BACKUP_POLICY
from infra.cluster_api.nomad import Nomad
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import FakeCloud, run, start

MANAGER = "00000000-0000-0000-0000-000000000001"
PRIMES = [member("prime01nyc3", 2), member("prime02nyc3", 3)]
CONFIG = {
    "url": "https://nyc3.spaces.test/backups",
    "access_key": "an id",
    "secret_key": "a secret",
    "certificate": "a certificate",
    "code_key": "ab",
    "period_h": 24.0,
    "keep": 14.0,
    "days": 30.0,
}
Delivery = tuple[str, tuple[str, ...], dict[str, Any]]


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Address, host keys and content of each delivery."""
    made: list[Delivery] = []

    def deliver(
        host: str,
        key: str,
        host_keys: tuple[str, ...],
        content: Callable[[], bytes],
        timeout: float,
        report: Callable[[str], None],
    ) -> str:
        assert key == "enrol key"
        made.append((host, host_keys, json.loads(content())))
        return '{"outcome": "scheduled"}\n'

    monkeypatch.setattr(ssh, "deliver", deliver)
    return made


@pytest.fixture
def props(agents: Agents, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with serving(agents, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as access:
        Consul(access).bootstrap_acl()
        Nomad(access).bootstrap_acl()
        yield {
            "cluster": "one",
            "primes": PRIMES,
            "host_keys": {"prime01nyc3": "key 1", "prime02nyc3": "key 2"},
            "enrol_key": "enrol key",
            "access": access,
            "config": CONFIG,
            "token": "token-1",
            "timeout": 5,
        }


def names(agents: Agents) -> set[str]:
    return {str(token.get("Name")) for token in agents.tokens["nomad"].values()} - {"None"}


def test_every_prime_receives_the_configuration_with_both_tokens(
    agents: Agents, props: dict[str, Any], delivered: list[Delivery]
) -> None:
    BackupScheduleProvider().create(props)
    [nomad_token] = [
        token
        for token in agents.tokens["nomad"].values()
        if token.get("Name") == f"backup {accessor_id('token-1')}"
    ]
    expected = {
        "action": "schedule-backups",
        **CONFIG,
        "consul_token": "token-1",
        "nomad_token": nomad_token["SecretID"],
    }
    assert delivered == [
        ("198.18.0.2", ("key 1",), expected),
        ("198.18.0.3", ("key 2",), expected),
    ]
    assert all(isinstance(delivered[0][2][name], int) for name in ("period_h", "keep", "days"))
    assert nomad_token["Type"] == "management"
    [consul_token] = [
        token for token in agents.tokens["consul"].values() if token["SecretID"] == "token-1"
    ]
    assert consul_token["Policies"] == [{"Name": BACKUP_POLICY}]
    assert "operator" not in agents.policies[BACKUP_POLICY]["Rules"]


def test_a_rotated_token_is_delivered_before_the_former_is_revoked(
    agents: Agents, props: dict[str, Any], delivered: list[Delivery]
) -> None:
    provider = BackupScheduleProvider()
    olds = dict(provider.create(props).outs or {})
    news = {**props, "token": "token-2"}
    assert provider.diff("one", olds, news).changes
    provider.update("one", olds, news)
    assert delivered[-1][2]["consul_token"] == "token-2"
    assert not {"token-1"} & agents.secrets("consul") and "token-2" in agents.secrets("consul")
    assert names(agents) == {f"backup {accessor_id('token-2')}"}


def test_a_failed_delivery_revokes_nothing(
    agents: Agents, props: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ssh.DeliveryError("no delivery to 198.18.0.2 within 5 s")

    monkeypatch.setattr(ssh, "deliver", fail)
    with pytest.raises(ScheduleError, match="prime01nyc3: no delivery"):
        BackupScheduleProvider().update("one", props, {**props, "token": "token-2"})
    assert not agents.changes("/v1/acl/token/" + accessor_id("token-1"))


def test_a_new_cluster_gets_new_tokens(
    agents: Agents, props: dict[str, Any], delivered: list[Delivery]
) -> None:
    provider = BackupScheduleProvider()
    news = {**props, "cluster": "two"}
    assert provider.diff("one", props, news).changes
    provider.update("one", {**props, "token": "token-0"}, news)
    assert "token-1" in agents.secrets("consul") and len(delivered) == 2


def test_an_unchanged_schedule_is_not_delivered_again(props: dict[str, Any]) -> None:
    provider = BackupScheduleProvider()
    assert not provider.diff("one", props, {**props, "timeout": 9}).changes
    for name in ("primes", "config", "access", "host_keys"):
        assert provider.diff("one", props, {**props, name: "another"}).changes


def test_refused_tokens_stop_the_delivery(
    agents: Agents, props: dict[str, Any], delivered: list[Delivery]
) -> None:
    agents.fault = lambda kind, method, path: (
        (403, "Permission denied") if (kind, method) == ("nomad", "POST") else None
    )
    with pytest.raises(AgentError, match="Nomad's backup token"):
        BackupScheduleProvider().create(props)
    assert delivered == []


def test_credentials_are_secret() -> None:
    cloud: FakeCloud = start()
    run(
        lambda: (
            BackupSchedule(
                "schedule",
                cluster="one",
                primes=PRIMES,
                host_keys={},
                enrol_key="k",
                access={},  # type: ignore[arg-type]
                config=CONFIG,
                token="t",
                timeout=5,
            ).id
        )
    )
    assert {"enrol_key", "access", "config", "token"} <= cloud.secret["schedule"]
