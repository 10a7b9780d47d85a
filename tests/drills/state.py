"""What a cluster must keep through a drill, and how far its members are those declared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

OWN_KEYS = "slipway/"
"""Keys that the program writes, and changes with the servers."""
NODE_TOKEN_PREFIXES = ("Consul on ", "Nomad on ")
"""Descriptions of tokens that belong to a node, and end with it."""
MARKER = "drill/marker"


@dataclass(frozen=True)
class ClusterState:
    """Content of Consul and Nomad that outlives every machine."""

    consul_keys: Mapping[str, str]
    nomad_variables: Mapping[str, Any]
    consul_tokens: frozenset[str]
    nomad_tokens: frozenset[str]
    jobs: Mapping[str, int]
    """Index at which the job was registered first, by id."""
    job_versions: Mapping[str, int]

    def differences(self, after: "ClusterState", *, changes_jobs: bool) -> list[str]:
        """Return what ``after`` lost, added or changed."""
        compared: list[tuple[str, Any, Any]] = [
            ("Consul keys", self.consul_keys, after.consul_keys),
            ("Nomad variables", self.nomad_variables, after.nomad_variables),
            ("Consul tokens", self.consul_tokens, after.consul_tokens),
            ("Nomad tokens", self.nomad_tokens, after.nomad_tokens),
            ("jobs", self.jobs, after.jobs),
        ]
        if not changes_jobs:
            compared.append(("job versions", self.job_versions, after.job_versions))
        return [
            f"{name}: {_difference(before, now)}" for name, before, now in compared if before != now
        ]


def _difference(before: Any, now: Any) -> str:
    lost, added = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    parts = [f"lost {', '.join(lost)}"] if lost else []
    parts += [f"added {', '.join(added)}"] if added else []
    if isinstance(before, Mapping):
        changed = sorted(key for key in set(before) & set(now) if before[key] != now[key])
        parts += [f"changed {', '.join(changed)}"] if changed else []
    return "; ".join(parts)


def read_state(access: Access) -> ClusterState:
    """Read the state with management tokens.

    Raises:
        AgentError: no server answers.
    """
    consul, nomad = Consul(access), Nomad(access)
    variables = nomad.request("GET", "/v1/vars?namespace=*") or []
    jobs = [
        nomad.request("GET", f"/v1/job/{stub['ID']}") for stub in nomad.request("GET", "/v1/jobs")
    ]
    return ClusterState(
        consul_keys={
            key["Key"]: key["Value"]
            for key in consul.find("/v1/kv/?recurse=true") or []
            if not key["Key"].startswith(OWN_KEYS)
        },
        nomad_variables={
            variable["Path"]: nomad.request("GET", f"/v1/var/{variable['Path']}")["Items"]
            for variable in variables
        },
        consul_tokens=frozenset(
            token["AccessorID"]
            for token in consul.request("GET", "/v1/acl/tokens")
            if not token.get("AuthMethod")
            and not token["Description"].startswith(NODE_TOKEN_PREFIXES)
        ),
        nomad_tokens=frozenset(
            token["AccessorID"] for token in nomad.request("GET", "/v1/acl/tokens")
        ),
        jobs={job["ID"]: job["CreateIndex"] for job in jobs},
        job_versions={job["ID"]: job["Version"] for job in jobs},
    )


def write_marker(access: Access) -> None:
    """Store a Consul key and a Nomad variable that nothing creates again if they are lost."""
    Consul(access).request("PUT", f"/v1/kv/{MARKER}", "kept")
    variable = {"Path": MARKER, "Items": {"state": "kept"}}
    Nomad(access).request("PUT", f"/v1/var/{MARKER}", variable)


@dataclass(frozen=True)
class Voter:
    """A server in the Raft configuration of Consul or Nomad."""

    address: str
    """Private address."""
    is_leader: bool
    is_voter: bool


def raft_servers(api: Consul | Nomad) -> list[Voter]:
    """Return the servers of the Raft configuration; none if the API does not answer."""
    try:
        configuration = api.request("GET", "/v1/operator/raft/configuration")
    except AgentError:
        return []
    return [
        Voter(server["Address"].rpartition(":")[0], server["Leader"], server["Voter"])
        for server in configuration["Servers"]
    ]
