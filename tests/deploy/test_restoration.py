"""A restore: what is removed of the former cluster, and how the management tokens become valid."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.backup import restoration
from deploy.backup.restoration import RestoreError, ensure_access, restore
from deploy.backup.target import Target, find_target
from deploy.errors import UsageError
from infra import ssh
from infra.backup.archive import Snapshots
from infra.cluster_api import client
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from tests.infra.support.agents_api import Agents, Refusal, serving
from tests.infra.support.backup_keys import backup_access

INITIAL = {"consul": "consul's initial token", "nomad": "nomad's initial token"}
SNAPSHOTS = Snapshots(b"restored consul", b"restored nomad")
DYNAMIC = "pulumi-python:dynamic/slipway:"


class Cluster(Agents):
    """Agents whose restore replaces the tokens, and whose leader may permit a bootstrap."""

    def __init__(self) -> None:
        super().__init__()
        self.restored_tokens: dict[str, list[dict[str, Any]]] = {"consul": [], "nomad": []}
        self.permitted: dict[str, int] = {}
        self.auth_methods = ["nomad-workloads", "own"]
        self.catalog = [("prime01nyc3", "gone"), ("worker01nyc3", "alive"), ("edge", "")]

    def answer(self, kind: str, method: str, path: str, token: str, body: Any) -> Any:
        if path == "/v1/acl/bootstrap" and self.permitted.pop(kind, None) == 9:
            return 200, self._create_token(
                kind,
                {
                    "SecretID": body["BootstrapSecret"],
                    "Description": "Bootstrap Token (Global Management)",
                    "Name": "Bootstrap Token",
                    "Policies": [{"Name": "global-management"}],
                    "Type": "management",
                },
            )
        if path == "/v1/acl/bootstrap" and kind == "nomad" and self.tokens[kind]:
            return 400, "ACL bootstrap already done (reset index: 9)"
        return super().answer(kind, method, path, token, body)

    def _snapshot(self, kind: str, method: str, body: Any) -> Any:
        if method == "PUT":
            self.tokens[kind] = {}
            for token in self.restored_tokens[kind]:
                self._create_token(kind, token)
        return super()._snapshot(kind, method, body)

    def _consul(self, method: str, path: str, body: Any) -> Any:
        if path == "/v1/acl/tokens":
            return list(self.tokens["consul"].values())
        if path == "/v1/acl/policies":
            return list(self.policies.values())
        if path.startswith("/v1/acl/policy/") and method == "DELETE":
            return self.policies.pop(path.rpartition("/")[2])
        if path.startswith("/v1/acl/auth-method/"):
            name = path.rpartition("/")[2]
            if name not in self.auth_methods:
                return Refusal(404, "ACL not found")
            self.auth_methods.remove(name)
            return True
        if path == "/v1/agent/members":
            return [{"Name": "worker01nyc3", "Tags": {"id": "alive"}}]
        if path == "/v1/catalog/nodes":
            return [{"Node": node, "ID": id} for node, id in self.catalog]
        if path == "/v1/catalog/deregister":
            self.catalog = [entry for entry in self.catalog if entry[0] != body["Node"]]
            return True
        return super()._consul(method, path, body)

    def _nomad(self, method: str, path: str, body: Any) -> Any:
        if path == "/v1/acl/tokens":
            return list(self.tokens["nomad"].values())
        return super()._nomad(method, path, body)

    def names(self, kind: str) -> set[str]:
        field = {"consul": "Description", "nomad": "Name"}[kind]
        return {token[field] for token in self.tokens[kind].values()}


def consul_token(description: str, secret: str = "", **fields: Any) -> dict[str, Any]:
    secret = secret or f"secret of {description}"
    return {
        "AccessorID": accessor_id(secret),
        "SecretID": secret,
        "Description": description,
        "Policies": [],
        **fields,
    }


def nomad_token(name: str, type: str = "client", secret: str = "") -> dict[str, Any]:
    return {"SecretID": secret or f"secret of {name}", "Name": name, "Type": type}


MANAGER = {"Policies": [{"Name": "global-management"}]}


@pytest.fixture
def agents() -> Cluster:
    cluster = Cluster()
    cluster.restored_tokens = {
        "consul": [
            consul_token("Manager", INITIAL["consul"], **MANAGER),
            consul_token("Manager", "of a former rotation", **MANAGER),
            consul_token("Consul on prime01nyc3"),
            consul_token("Consul on worker01nyc3", "worker01's"),
            consul_token("DNS", "dns"),
            consul_token("operator"),
            consul_token("Backups by primes"),
            consul_token("of a user"),
        ],
        "nomad": [
            nomad_token("Bootstrap Token", "management", INITIAL["nomad"]),
            nomad_token("manager 0a1b", "management"),
            nomad_token("backup 0a1b", "management"),
            nomad_token("operator"),
            nomad_token("of a user"),
            nomad_token("manager of a shop", "management"),
        ],
    }
    return cluster


@pytest.fixture
def access(agents: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    monkeypatch.setattr(client, "POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr(restoration, "READY_TIMEOUT_S", 2.0)
    with serving(agents, tmp_path, consul_token="c-now", nomad_token="n-now") as access:
        Consul(access).bootstrap_acl()
        Nomad(access).bootstrap_acl()
        yield access


@pytest.fixture
def state(access: Access) -> list[dict[str, Any]]:
    keys = backup_access()
    server = {"name": "prime01nyc3-2", "role": "prime", "address": "198.18.0.2"}
    server |= {"private_address": "10.10.0.2", "host_key": "h", "enrol_key": "e"}

    def one(type: str, name: str, **fields: Any) -> dict[str, Any]:
        return {"type": type, "urn": f"urn:pulumi:dev::p::{type}::{name}", **fields}

    tokens = {"agent": "worker01's", "nomad": "worker01's too"}
    return [
        one("b", "backups-bucket", outputs={"name": "backups", "region": "nyc3"}),
        one("c", "backups-certificate", outputs={"certPem": keys["certificate"]}),
        one("k", "backups-key", outputs={"privateKeyPem": keys["key"]}),
        one("r", "backups-code-key", outputs={"result": keys["code_key"]}),
        one(f"{DYNAMIC}Bootstrap", "bootstrap", inputs={"dns": "dns"}, outputs={"access": access}),
        one(f"{DYNAMIC}ManagementTokens", "tokens", inputs={"secrets": INITIAL}, outputs={}),
        one(f"{DYNAMIC}Roster", "roster", inputs={}, outputs={}),
        one(f"{DYNAMIC}Membership", "prime", inputs={}, outputs=server),
        one(f"{DYNAMIC}Enrolment", "worker", inputs={"tokens": tokens}, outputs={}),
        one("consul:index/aclAuthMethod:AclAuthMethod", "m", inputs={"name": "nomad-workloads"}),
        one("consul:index/aclPolicy:AclPolicy", "p", inputs={"name": "operator"}),
        one("consul:index/aclToken:AclToken", "t", inputs={"description": "operator"}),
        one("nomad:index/aclToken:AclToken", "n", inputs={"name": "operator"}),
    ]


@pytest.fixture
def target(state: list[dict[str, Any]]) -> Target:
    return find_target(state, "dev")


@pytest.fixture
def delivered(agents: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the leader is given over SSH; it permits a bootstrap."""
    given: list[dict[str, Any]] = []

    def deliver(
        host: str, key: str, host_keys: tuple[str], content: Callable[[], bytes], *_: object
    ) -> str:
        assert (host, key, host_keys) == ("198.18.0.2", "e", ("h",))
        given.append(json.loads(content()))
        agents.permitted[given[-1]["program"]] = given[-1]["index"]
        return '{"outcome": "permitted"}'

    monkeypatch.setattr(ssh, "deliver", deliver)
    return given


def run(target: Target) -> None:
    restore(target, ensure_access(target), SNAPSHOTS, lambda _: None)


def test_snapshots_are_restored_and_what_is_of_the_former_cluster_is_removed(
    agents: Cluster, target: Target, delivered: list[dict[str, Any]]
) -> None:
    agents.policies = {name: {"ID": name, "Name": name} for name in ("operator", "of a user")}
    run(target)
    assert agents.restored == {"consul": SNAPSHOTS.consul, "nomad": SNAPSHOTS.nomad}
    assert agents.names("consul") == {"Manager", "Consul on worker01nyc3", "DNS", "of a user"}
    assert "of a former rotation" not in agents.secrets("consul")
    assert agents.names("nomad") == {"Bootstrap Token", "of a user", "manager of a shop"}
    assert set(agents.policies) == {"of a user"} and agents.auth_methods == ["own"]
    assert agents.catalog == [("worker01nyc3", "alive"), ("edge", "")]
    assert delivered == []


@pytest.mark.parametrize("program", ["consul", "nomad"])
def test_a_backup_with_other_management_tokens_is_bootstrapped_again(
    agents: Cluster, target: Target, delivered: list[dict[str, Any]], program: str
) -> None:
    agents.restored_tokens[program] = agents.restored_tokens[program][1:]
    run(target)
    assert delivered == [{"action": "permit-bootstrap", "program": program, "index": 9}]
    assert INITIAL[program] in agents.secrets(program)
    assert "of a former rotation" not in agents.secrets("consul")


def test_a_restore_is_repeated_after_it_was_interrupted(
    agents: Cluster, target: Target, delivered: list[dict[str, Any]]
) -> None:
    """The cluster knows the initial tokens then, and not those of the state."""
    agents.fault = lambda kind, method, path: (
        (500, "as the test wants it") if (kind, method) == ("nomad", "PUT") else None
    )
    with pytest.raises(RestoreError, match="run it again"):
        run(target)
    agents.fault = lambda kind, method, path: None
    access = ensure_access(target)
    assert (access["consul_token"], access["nomad_token"]) == (INITIAL["consul"], "n-now")
    run(target)
    assert agents.restored["nomad"] == SNAPSHOTS.nomad


def test_a_cluster_that_does_not_answer_is_not_changed(agents: Cluster, target: Target) -> None:
    agents.fault = lambda kind, method, path: (500, "No cluster leader")
    with pytest.raises(RestoreError, match="nothing was restored"):
        ensure_access(target)
    assert agents.restored == {}


@pytest.mark.parametrize("lost", [f"{DYNAMIC}Bootstrap", f"{DYNAMIC}Roster", "b", "k"])
def test_a_state_without_a_complete_cluster_is_refused(
    state: list[dict[str, Any]], lost: str
) -> None:
    with pytest.raises(UsageError, match="run `python -m deploy up dev`"):
        find_target([one for one in state if one["type"] != lost], "dev")
