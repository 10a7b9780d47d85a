"""Readiness: who is waited for, and what is revoked when all are there."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.cluster import snapshots
from infra.cluster.readiness import Readiness, ReadinessProvider
from infra.cluster_api import client, members
from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.members import NotReadyError
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from infra.snapshot_encryption import decrypt
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start

SNAPSHOT_KEY = base64.b64encode(bytes(32)).decode()
MANAGER = "00000000-0000-0000-0000-000000000001"
PRIMES = [member("prime01nyc3", 2)]
FORMER = member("prime01nyc3", 1)
WORKERS = [member("worker01nyc3", 3, created=1), member("worker02nyc3", 4, created=1)]


@pytest.fixture
def there() -> Agents:
    found = Agents()
    found.add_all(PRIMES, WORKERS)
    return found


@pytest.fixture
def props(
    there: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(members, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(there, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as access:
        Consul(access).bootstrap_acl()
        Nomad(access).bootstrap_acl()
        none: dict[str, list[str]] = {"consul": [], "nomad": []}
        yield {
            "primes": PRIMES,
            "workers": WORKERS,
            "access": access,
            "cluster": "2",
            "snapshot_key": SNAPSHOT_KEY,
            "retired": none,
            "timeout": 10,
        }


def lacking(props: dict[str, Any]) -> list[str]:
    return members.find_missing(
        Consul(props["access"]), Nomad(props["access"]), props["primes"], props["workers"]
    )


def test_complete_cluster_lacks_nothing(props: dict[str, Any]) -> None:
    assert lacking(props) == []


def test_missing_members_are_named(props: dict[str, Any], there: Agents) -> None:
    there.consul = [(PRIMES[0], 1), (WORKERS[0], 4)]
    there.nodes = [(WORKERS[0], "ready"), (WORKERS[1], "initializing")]
    assert lacking(props) == [
        "worker01nyc3 in Consul",
        "worker02nyc3 in Consul",
        "worker02nyc3 in Nomad",
    ]


def test_deleted_machine_of_the_same_name_does_not_count(
    props: dict[str, Any], there: Agents
) -> None:
    there.nodes = [(member("worker01nyc3", 99), "ready"), (WORKERS[1], "ready")]
    assert lacking(props) == ["worker01nyc3 in Nomad"]


@pytest.mark.parametrize("kind", ["consul", "nomad"])
def test_servers_must_be_healthy_voters(props: dict[str, Any], there: Agents, kind: str) -> None:
    there.non_voters = {(kind, PRIMES[0]["address"])}
    assert lacking(props) == [f"prime01nyc3 as a voter of {kind.title()}"]
    there.non_voters, there.unhealthy = set(), {(kind, PRIMES[0]["address"])}
    assert lacking(props) == [f"prime01nyc3 as a voter of {kind.title()}"]
    there.unhealthy, there.peers[kind] = set(), []
    assert lacking(props) == [f"prime01nyc3 as a voter of {kind.title()}"]


def test_missing_leader_is_named(props: dict[str, Any], there: Agents) -> None:
    there.leaders = False
    assert lacking(props) == ["a Consul leader", "a Nomad leader"]


def test_unreachable_agents_are_named(props: dict[str, Any]) -> None:
    silent = {
        **props["access"],
        "consul": ["https://127.0.0.1:9"],
        "nomad": ["https://127.0.0.1:9"],
    }
    assert lacking({**props, "access": silent}) == [
        "Consul at https://127.0.0.1:9 (ConnectionError)",
        "Nomad at https://127.0.0.1:9 (ConnectionError)",
    ]


def test_unknown_token_is_named(props: dict[str, Any]) -> None:
    stale = lacking(
        {**props, "access": {**props["access"], "consul_token": "stale", "nomad_token": "stale"}}
    )
    assert [line.partition(" (")[2] for line in stale] == ["403: Permission denied)"] * 2


def test_wait_for_leaders_needs_no_token(props: dict[str, Any]) -> None:
    anyone = {**props["access"], "consul_token": "", "nomad_token": ""}
    assert lacking({"access": anyone, "primes": [], "workers": []}) == []


def test_creation_waits_for_the_last_member(
    props: dict[str, Any], there: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    there.nodes = [(WORKERS[0], "ready")]

    def join_at_second_poll(_kind: str, _method: str, path: str) -> None:
        # Each poll requests the leader of Consul and of Nomad.
        if path == "/v1/status/leader" and there.count_requests(path) > 2:
            there.add_all(PRIMES, WORKERS)

    there.fault = join_at_second_poll
    created = ReadinessProvider().create(props)
    assert created.id == "2"
    assert created.outs == {
        name: props[name] for name in ("primes", "workers", "access", "cluster", "retired")
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("waiting for worker02nyc3 in Nomad")
    assert lines[-1].endswith("1 primes and 2 workers are ready")


def test_waiting_ends_in_time_and_names_who_is_missing(
    props: dict[str, Any], there: Agents
) -> None:
    there.servers = []
    with pytest.raises(NotReadyError, match="after 0 s the cluster lacks prime01nyc3 in Nomad"):
        ReadinessProvider().create({**props, "timeout": 0})


@pytest.fixture
def retired(props: dict[str, Any]) -> dict[str, list[str]]:
    """Accessors of tokens that are there, and of some that are not."""
    Consul(props["access"]).ensure_token("old", "DNS")
    nomad = Nomad(props["access"])
    nomad.ensure_management_token("former")
    former = next(
        one["AccessorID"]
        for one in nomad.request("GET", "/v1/acl/tokens")
        if one["Name"] == "former"
    )
    return {"consul": [accessor_id("old"), "gone"], "nomad": [former, "gone"]}


def test_retired_tokens_are_revoked_when_all_members_joined(
    props: dict[str, Any], there: Agents, retired: dict[str, list[str]]
) -> None:
    ReadinessProvider().update("2", props, {**props, "retired": retired})
    assert there.secrets("consul") == there.secrets("nomad") == {MANAGER}


def test_retired_tokens_outlast_a_machine_that_leaves(
    props: dict[str, Any], there: Agents, retired: dict[str, list[str]]
) -> None:
    """Its membership has the old tokens. The next update sees that they are not revoked."""
    there.consul.append((FORMER, 1))
    news = {**props, "retired": retired}
    outs = ReadinessProvider().update("2", props, news).outs
    assert outs is not None and "old" in there.secrets("consul")
    assert ReadinessProvider().diff("2", outs, news).changes
    there.consul.remove((FORMER, 1))
    completed = ReadinessProvider().update("2", outs, news).outs
    assert completed is not None and completed["retired"] == retired
    assert there.secrets("consul") == there.secrets("nomad") == {MANAGER}


def test_tokens_revoked_before_are_not_left_for_another_update(
    props: dict[str, Any], there: Agents, retired: dict[str, list[str]]
) -> None:
    there.consul.append((FORMER, 1))
    olds = {**props, "retired": retired}
    outs = ReadinessProvider().update("2", olds, {**olds, "workers": WORKERS[:1]}).outs
    assert outs is not None and outs["retired"] == retired


def test_worker_that_is_declared_again_becomes_eligible(
    props: dict[str, Any], there: Agents
) -> None:
    """An update that removed it was interrupted."""
    there.ineligible = [WORKERS[1]["droplet"]]
    there.draining = [(WORKERS[0]["droplet"], 1)]
    ReadinessProvider().update("2", {**props, "workers": []}, props)
    assert there.ineligible == [] and there.draining == []


def test_declared_members_are_recorded(props: dict[str, Any], there: Agents) -> None:
    ReadinessProvider().create(props)
    assert Consul(props["access"]).declared_members() == {
        member["name"] for member in (*PRIMES, *WORKERS)
    }


def test_nothing_is_revoked_while_someone_is_missing(
    props: dict[str, Any], there: Agents, retired: dict[str, list[str]]
) -> None:
    there.nodes = []
    with pytest.raises(NotReadyError):
        ReadinessProvider().update("2", props, {**props, "retired": retired, "timeout": 0})
    assert "old" in there.secrets("consul")


def test_nodes_of_older_machines_get_no_new_allocations(
    props: dict[str, Any], there: Agents
) -> None:
    older = [member("worker01nyc3-1", 8), member("worker03nyc3", 9)]
    there.nodes += [(older[0], "ready"), (older[1], "down")]
    ReadinessProvider().update("2", props, props)
    assert there.ineligible == ["8"]


def test_snapshots_are_saved_before_servers_leave(
    props: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    monkeypatch.setenv("SLIPWAY_SNAPSHOTS", str(saved))
    ReadinessProvider().create(props)
    ReadinessProvider().update("2", {**props, "primes": []}, props)
    assert not saved.exists()
    ReadinessProvider().update("2", {**props, "primes": [*PRIMES, FORMER]}, props)
    assert sorted(decrypt(file.read_bytes(), SNAPSHOT_KEY) for file in saved.iterdir()) == [
        b"snapshot of consul",
        b"snapshot of nomad",
    ]


def test_data_of_the_former_cluster_is_saved_when_a_new_one_replaces_it(
    props: dict[str, Any], there: Agents, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The new servers have no data. The former cluster may be lost."""
    saved = tmp_path / "saved"
    monkeypatch.setenv("SLIPWAY_SNAPSHOTS", str(saved))
    former = {**props, "primes": [FORMER], "cluster": "former"}
    nobody = {**props["access"], "consul": ["https://lost.invalid"]}
    ReadinessProvider().update("2", {**former, "access": nobody}, props)
    assert not saved.exists()
    ReadinessProvider().update("2", former, props)
    assert {file.name.split("-")[0] for file in saved.iterdir()} == {"former"}


def test_no_server_leaves_without_a_snapshot(
    props: dict[str, Any], there: Agents, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failed update keeps the former servers."""
    monkeypatch.setenv("SLIPWAY_SNAPSHOTS", str(tmp_path))
    monkeypatch.setattr(snapshots, "SNAPSHOT_TIMEOUT_S", 0)
    there.fault = lambda kind, method, path: (
        (500, "no snapshot") if path == "/v1/operator/snapshot" else None
    )
    with pytest.raises(AgentError, match=r"Nomad at .* \(500: no snapshot\)"):
        ReadinessProvider().update("2", {**props, "primes": [FORMER]}, props)


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"timeout": 99}, False),
        ({"workers": WORKERS[:1]}, True),
        ({"workers": UNKNOWN}, True),
        ({"access": UNKNOWN}, True),
        ({"cluster": "9"}, True),
        ({"retired": {"consul": ["a"], "nomad": []}}, True),
        ({"primes": [member("prime01nyc3", 9)]}, True),
    ],
)
def test_changed_inputs_cause_another_wait_and_no_replacement(
    props: dict[str, Any], there: Agents, changes: dict[str, Any], expected: bool
) -> None:
    looks = len(there.requests)
    found = ReadinessProvider().diff(
        "2", {**props, "__provider": "old"}, {**props, "__provider": "new", **changes}
    )
    assert (found.changes, found.replaces) == (expected, None)
    assert len(there.requests) == looks


def test_access_is_a_secret_output() -> None:
    cloud = start()
    nobody = Access(
        consul=["https://a"],
        nomad=["https://b"],
        authority="",
        certificate="",
        key="",
        consul_token="",
        nomad_token="",
    )
    seen: list[str] = []

    def program() -> pulumi.Output[Any]:
        made = Readiness(
            "ready",
            primes=PRIMES,
            workers=WORKERS,
            access=nobody,
            cluster="2",
            snapshot_key=SNAPSHOT_KEY,
            timeout=5,
        )
        return made.access.apply(lambda access: seen.extend(access["nomad"]))

    run(program)
    assert cloud.secret["ready"] == {"access", "snapshot_key"}
    assert seen == ["https://b"]
