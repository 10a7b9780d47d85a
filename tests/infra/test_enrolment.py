"""Enrolment: what a node is given and when, and what tokens it has."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import ssh
from infra.cluster.enrolment import Enrolment, EnrolmentError, EnrolmentProvider
from infra.cluster_api import client
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials
from tests.infra.support.agents_api import Agents, member, serving
from tests.infra.support.cloud import run, start

MANAGER = "00000000-0000-0000-0000-000000000001"
FACTS = {
    "name": "worker01nyc3",
    "role": "worker",
    "datacenter": "nyc3",
    "vpc_cidr": "10.10.0.0/20",
    "task_driver": "exec",
}
TOKENS = {"agent": "agent-1", "nomad": "nomad-1", "dns": "dns-1"}


class Machine:
    """What is delivered, in place of SSH."""

    def __init__(self, agents: Agents) -> None:
        self.agents = agents
        self.outcome = '{"outcome": "started"}'
        self.given: list[dict[str, Any]] = []
        self.host_keys: list[set[str]] = []
        self.tokens: list[set[str]] = []
        """What there was in Consul when each delivery came."""

    def deliver(
        self,
        host: str,
        key: str,
        host_keys: tuple[str, ...],
        content: Callable[[], bytes],
        timeout: float,
        tell: Callable[[str], None],
    ) -> str:
        assert (host, key) == ("198.18.0.3", "enrol key")
        tell("ConnectionRefusedError")
        self.given.append(json.loads(content()))
        self.host_keys.append(set(host_keys))
        self.tokens.append(self.agents.secrets("consul"))
        return f"some notes\n{self.outcome}\n"


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def access(agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    with serving(agents, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as found:
        Consul(found).bootstrap_acl()
        Nomad(found).bootstrap_acl()
        yield found


@pytest.fixture
def machine(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(agents)
    monkeypatch.setattr(ssh, "deliver", made.deliver)
    return made


@pytest.fixture
def props(access: Access) -> dict[str, Any]:
    """A worker's, as the engine hands them over: every number is a float."""
    return {
        "node": FACTS,
        "droplet": "3",
        "address": "198.18.0.3",
        "cluster": "1",
        "primes": ["10.10.0.2"],
        "bootstrap_expect": 1.0,
        "identity": {"authority": "CA", "certificate": "CERT", "key": "KEY"},
        "gossip": {"consul": "g1", "nomad": "g2"},
        "tokens": TOKENS,
        "host_keys": {
            "first": "first public",
            "lasting": "lasting public",
            "private": "lasting private",
        },
        "enrol_key": "enrol key",
        "operator_key": None,
        "access": access,
        "timeout": 10.0,
    }


@pytest.fixture
def prime(props: dict[str, Any]) -> dict[str, Any]:
    return {
        **props,
        "node": {**FACTS, "name": "prime01nyc3", "role": "prime"},
        "cluster": "",
        "access": None,
    }


def create(props: dict[str, Any]) -> dict[str, Any]:
    outs = EnrolmentProvider().create(props).outs
    assert outs is not None
    return outs


def update(olds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    outs = (
        EnrolmentProvider()
        .update(
            "worker01nyc3", olds, {**olds, "enrol_key": "enrol key", "timeout": 10.0, **changes}
        )
        .outs
    )
    assert outs is not None
    return outs


def test_a_worker_is_given_all_it_must_know(props: dict[str, Any], machine: Machine) -> None:
    EnrolmentProvider().create(props)
    assert machine.given == [
        {
            "node": FACTS,
            "cluster": "1",
            "primes": ["10.10.0.2"],
            "bootstrap_expect": 1,
            "identity": props["identity"],
            "gossip": props["gossip"],
            "tokens": TOKENS,
            "introduction": "introduces worker01nyc3",
            "host_key": "lasting private",
            "operator_key": None,
        }
    ]
    assert isinstance(machine.given[0]["bootstrap_expect"], int)


def test_a_workers_tokens_are_there_before_it_needs_them(
    props: dict[str, Any], machine: Machine, agents: Agents
) -> None:
    EnrolmentProvider().create(props)
    assert machine.tokens == [{MANAGER, "agent-1", "nomad-1"}]
    agent, nomad = (
        agents.tokens["consul"][accessor_id("agent-1")],
        agents.tokens["consul"][accessor_id("nomad-1")],
    )
    assert agent["NodeIdentities"] == [{"NodeName": "worker01nyc3", "Datacenter": "nyc3"}]
    assert (agent["Policies"], nomad["Policies"], nomad["NodeIdentities"]) == (
        [],
        [{"Name": "slipway-nomad-client"}],
        [],
    )


def test_prime_needs_no_cluster(prime: dict[str, Any], machine: Machine, agents: Agents) -> None:
    agents.requests.clear()
    EnrolmentProvider().create(prime)
    assert machine.given[0]["introduction"] == ""
    assert agents.requests == []


def test_omitted_inputs_have_defaults(prime: dict[str, Any], machine: Machine) -> None:
    inputs = {name: value for name, value in prime.items() if value is not None}
    kept = {name: value for name, value in create(inputs).items() if value is not None}
    assert update(kept, enrol_key="other")["access"] is None
    assert EnrolmentProvider().diff("", kept, inputs).changes is False
    assert len(machine.given) == 1


def test_outputs_are_the_compared_inputs(props: dict[str, Any], machine: Machine) -> None:
    created = EnrolmentProvider().create(props)
    assert created.id == "worker01nyc3"
    assert created.outs == {
        name: value for name, value in props.items() if name not in ("enrol_key", "timeout")
    }


def test_progress_contains_no_secret(
    props: dict[str, Any], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    EnrolmentProvider().create(props)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "worker01nyc3: waiting for SSH (ConnectionRefusedError)"
    assert lines[1].startswith("worker01nyc3: started in ")
    assert not any(
        secret in line
        for line in lines
        for secret in (*TOKENS.values(), "KEY", "introduces", MANAGER)
    )


def test_error_names_the_machine(
    props: dict[str, Any], machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> str:
        raise ssh.DeliveryError("tool-enrol: no room")

    monkeypatch.setattr(ssh, "deliver", refuse)
    with pytest.raises(EnrolmentError, match=r"^worker01nyc3: tool-enrol: no room$"):
        EnrolmentProvider().create(props)


@pytest.mark.parametrize("outcome", ["", "17", '{"another": 1}'])
def test_missing_outcome_is_an_error(props: dict[str, Any], machine: Machine, outcome: str) -> None:
    machine.outcome = outcome
    with pytest.raises(EnrolmentError, match="reported no outcome"):
        EnrolmentProvider().create(props)


def test_first_host_key_is_accepted_only_before_enrolment(
    props: dict[str, Any], machine: Machine
) -> None:
    kept = create(props)
    another = {"first": "other first", "lasting": "other public", "private": "other private"}
    update(kept, host_keys=another)
    update(kept, host_keys=another, droplet="9")
    assert machine.host_keys == [
        {"first public", "lasting public"},
        {"lasting public", "other public"},
        {"other first", "other public"},
    ]


def test_new_nomad_client_gets_an_introduction_token(
    props: dict[str, Any], machine: Machine
) -> None:
    kept = create(props)
    update(kept, gossip={"consul": "g3", "nomad": "g4"})
    update(kept, cluster="7")
    update(kept, droplet="9")
    assert [bool(given["introduction"]) for given in machine.given] == [True, False, True, True]


def test_old_tokens_are_revoked_once_the_node_has_the_new(
    props: dict[str, Any], machine: Machine, agents: Agents
) -> None:
    kept = create(props)
    update(kept, tokens={**TOKENS, "agent": "agent-2"})
    assert machine.tokens[-1] == {MANAGER, "agent-1", "agent-2", "nomad-1"}
    assert agents.secrets("consul") == {MANAGER, "agent-2", "nomad-1"}


def test_failed_delivery_keeps_the_old_tokens(
    props: dict[str, Any], machine: Machine, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = create(props)
    machine.outcome = "none"
    with pytest.raises(EnrolmentError):
        update(kept, tokens={**TOKENS, "agent": "agent-2"})
    assert agents.secrets("consul") >= {"agent-1", "nomad-1"}


def test_changed_access_is_stored_without_a_delivery(
    props: dict[str, Any], machine: Machine, access: Access
) -> None:
    kept = create(props)
    later = Access(**{**access, "consul_token": "another"})
    assert EnrolmentProvider().diff("", kept, {**props, "access": later}).changes
    assert update(kept, access=later)["access"] == later
    assert len(machine.given) == 1


UNKNOWN = pulumi.runtime.rpc.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"timeout": 99.0, "enrol_key": "other"}, False),
        ({"droplet": "9"}, True),
        ({"primes": ["10.10.0.9"]}, True),
        ({"identity": {"authority": "CA", "certificate": "NEW", "key": "KEY"}}, True),
        ({"tokens": UNKNOWN}, True),
        ({"cluster": "9"}, True),
        ({"operator_key": "ssh-ed25519 AAAA"}, True),
    ],
)
def test_changed_inputs_update_and_never_replace(
    props: dict[str, Any], machine: Machine, changes: dict[str, Any], expected: bool
) -> None:
    kept = {**create(props), "__provider": "old"}
    found = EnrolmentProvider().diff("", kept, {**props, "__provider": "new", **changes})
    assert (found.changes, found.replaces, found.delete_before_replace) == (expected, None, None)


def test_a_client_that_changes_the_cluster_is_purged_from_it(
    props: dict[str, Any], machine: Machine, agents: Agents
) -> None:
    """After a restore, the cluster has the client that the worker was before it reboots."""
    agents.nodes = [(member("worker01nyc3", 3), "ready"), (member("worker02nyc3", 4), "ready")]
    machine.outcome = '{"outcome": "reboots"}'
    EnrolmentProvider().update("worker01nyc3", {**props, "cluster": "0"}, props)
    assert [node["name"] for node, _ in agents.nodes] == ["worker02nyc3"]


def test_rejoining_worker_becomes_eligible(
    props: dict[str, Any], machine: Machine, agents: Agents
) -> None:
    agents.nodes = [(member("worker01nyc3", 3), "ready"), (member("worker02nyc3", 4), "ready")]
    agents.ineligible = ["4", "3"]
    create(props)
    assert agents.ineligible == ["4"]


def test_tokens_of_an_older_machine_stay_until_it_leaves(
    props: dict[str, Any], machine: Machine, agents: Agents
) -> None:
    kept = create(props)
    update(
        kept,
        droplet="9",
        node={**FACTS, "name": "worker01nyc3-2"},
        tokens={**TOKENS, "agent": "agent-2", "nomad": "nomad-2"},
    )
    assert machine.given[-1]["introduction"] == "introduces worker01nyc3-2"
    assert agents.secrets("consul") == {MANAGER, "agent-1", "nomad-1", "agent-2", "nomad-2"}


def test_deletion_does_nothing(props: dict[str, Any], machine: Machine, agents: Agents) -> None:
    """The deletion of the membership makes the machine leave."""
    kept = create(props)
    agents.requests.clear()
    EnrolmentProvider().delete("worker01nyc3", kept)
    assert agents.requests == [] and len(machine.given) == 1


NOBODY = Access(
    consul=[], nomad=[], authority="", certificate="", key="", consul_token="", nomad_token=""
)


def test_secret_inputs_are_declared_secret() -> None:
    cloud = start()

    def program() -> None:
        Enrolment(
            "worker01",
            node=FACTS,
            droplet="3",
            address="198.18.0.3",
            cluster="1",
            primes=["10.10.0.2"],
            bootstrap_expect=1,
            identity=Credentials(authority="CA", certificate="CERTIFICATE", key="KEY"),
            gossip={"consul": "g1"},
            tokens=TOKENS,
            host_keys={"private": "lasting private"},
            enrol_key="enrol key",
            operator_key=None,
            access=NOBODY,
            timeout=5,
        )

    run(program)
    assert cloud.secret["worker01"] == {
        "identity",
        "gossip",
        "tokens",
        "host_keys",
        "enrol_key",
        "access",
    }
