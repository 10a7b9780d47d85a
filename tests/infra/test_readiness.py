"""Readiness: who is waited for, when the cluster is another one, and what hangs on it."""

from collections.abc import Iterator
from threading import Timer
from typing import Any

import pulumi
import pulumi_nomad as nomad
import pytest

from infra import agents, readiness
from infra.agents import Member
from infra.providers import tenants
from infra.readiness import NotReadyError, Readiness, ReadinessProvider
from tests.infra.agents_api import Agents, member, serving
from tests.infra.cloud import run, start

PRIMES = [member("prime01nyc3", 2)]
WORKERS = [member("worker01nyc3", 3, created=1), member("worker02nyc3", 4, created=1)]


@pytest.fixture
def there() -> Agents:
    found = Agents()
    found.everyone(PRIMES, WORKERS)
    return found


@pytest.fixture
def props(there: Agents, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(readiness, "PACE", 0.01)
    with serving(there) as (consul, nomad_url):
        yield {"primes": PRIMES, "workers": WORKERS, "consul": consul, "nomad": nomad_url, "timeout": 10}


def lacking(props: dict[str, Any]) -> list[str]:
    return agents.missing(props["consul"], props["nomad"], props["primes"], props["workers"])


def test_a_whole_cluster_lacks_nothing(props: dict[str, Any]) -> None:
    assert lacking(props) == []


def test_who_is_missing_is_named(props: dict[str, Any], there: Agents) -> None:
    there.consul = [(PRIMES[0], 1), (WORKERS[0], 4)]
    there.nodes = [(WORKERS[0], "ready"), (WORKERS[1], "initializing")]
    assert lacking(props) == ["worker01nyc3 in Consul", "worker02nyc3 in Consul", "worker02nyc3 in Nomad"]


def test_a_machine_of_the_same_name_that_is_gone_does_not_count(props: dict[str, Any], there: Agents) -> None:
    there.nodes = [(member("worker01nyc3", 99), "ready"), (WORKERS[1], "ready")]
    assert lacking(props) == ["worker01nyc3 in Nomad"]


def test_no_leader_is_told(props: dict[str, Any], there: Agents) -> None:
    there.leaders = False
    assert lacking(props) == ["a Consul leader", "a Nomad leader"]


def test_agents_that_do_not_answer_are_told(props: dict[str, Any]) -> None:
    silent = {**props, "consul": "127.0.0.1:9", "nomad": "http://127.0.0.1:9"}
    assert lacking(silent) == ["Consul at 127.0.0.1:9 (ConnectionError)", "Nomad at http://127.0.0.1:9 (ConnectionError)"]


def test_primes_that_do_not_know_each_other_are_introduced(props: dict[str, Any], there: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SHYNESS", 0.05)
    primes = [*PRIMES, member("prime02nyc3", 5), member("prime03nyc3", 6)]
    Timer(0.5, there.everyone, (primes, WORKERS)).start()
    ReadinessProvider().update("2", props, {**props, "primes": primes})
    assert set(there.introduced) == {"10.10.0.2", "10.10.0.5", "10.10.0.6"}


def test_a_lone_prime_is_introduced_to_nobody(props: dict[str, Any], there: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SHYNESS", 0.05)
    there.nodes = []
    Timer(0.5, there.everyone, (PRIMES, WORKERS)).start()
    ReadinessProvider().create(props)
    assert there.introduced == []


def test_creation_waits_for_the_last_member(props: dict[str, Any], there: Agents, capsys: pytest.CaptureFixture[str]) -> None:
    there.nodes = [(WORKERS[0], "ready")]
    Timer(0.2, there.everyone, (PRIMES, WORKERS)).start()
    created = ReadinessProvider().create(props)
    assert (created.id, created.outs) == ("2", props)
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("waiting for worker02nyc3 in Nomad")
    assert told[-1].endswith("1 primes and 2 workers are ready")


def test_waiting_ends_in_time_and_names_who_is_missing(props: dict[str, Any], there: Agents) -> None:
    there.servers = []
    with pytest.raises(NotReadyError, match="after 0 s the cluster lacks prime01nyc3 in Nomad"):
        readiness.wait({**props, "timeout": 0})


def difference(**changes: Any) -> tuple[bool | None, bool]:
    """Whether anything changed, and whether the cluster is another one."""
    old = {"primes": PRIMES, "workers": WORKERS, "consul": "a:8500", "nomad": "http://a:4646", "timeout": 10, "__provider": "old"}
    found = ReadinessProvider().diff("2", old, {**old, "__provider": "new", **changes})
    return found.changes, bool(found.replaces)


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False)),
        ({"timeout": 99}, (False, False)),
        ({"workers": WORKERS[:1]}, (True, False)),
        ({"workers": UNKNOWN}, (True, False)),
        ({"primes": [*PRIMES, member("prime02nyc3", 8)]}, (True, False)),
        ({"primes": [member("prime01nyc3", 9)], "consul": "b:8500"}, (True, True)),
        ({"primes": [{**PRIMES[0], "droplet": "77"}]}, (True, True)),
        ({"primes": UNKNOWN}, (True, True)),
    ],
)
def test_a_cluster_is_another_one_when_no_prime_is_left(changes: dict[str, Any], expected: tuple[bool, bool]) -> None:
    assert difference(**changes) == expected


def test_an_update_that_changes_nothing_does_not_wait(props: dict[str, Any], there: Agents) -> None:
    assert ReadinessProvider().diff("2", props, dict(props)).changes is False
    assert there.looks == 0


def made(name: str, primes: list[Member]) -> Readiness:
    return Readiness(name, primes=primes, workers=WORKERS, address="198.18.0.2", timeout=5)


def test_what_lives_in_the_cluster_goes_and_comes_with_it() -> None:
    cloud = start()
    seen: list[pulumi.ResourceOptions] = []
    triggers: list[Any] = []

    def program() -> pulumi.Output[Any]:
        ready = made("ready", PRIMES)
        in_nomad, in_consul = tenants("cluster", ready, "nyc3")
        seen.extend([in_nomad, in_consul])
        job = nomad.Job("job", jobspec="{}", opts=pulumi.ResourceOptions.merge(in_nomad, cloud.watched()))
        return pulumi.Output.all(job.id, in_nomad.replacement_trigger).apply(lambda known: triggers.append(known[1]))

    run(program)
    assert cloud.created["cluster-nomad"]["address"] == "http://198.18.0.2:4646"
    consul = cloud.created["cluster-consul"]
    assert (consul["address"], consul["scheme"], consul["datacenter"]) == ("198.18.0.2:8500", "http", "nyc3")
    for options in seen:
        (provider,) = options.providers or []
        assert options.deleted_with is provider
    assert triggers == ["ready-id"]
