"""The cluster of a stack, as its state describes it, with the management tokens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.errors import UsageError
from deploy.machines import Server, list_servers
from infra.backup.access import BackupAccess, find_access
from infra.cluster_api.consul import accessor_id
from infra.cluster_api.consul_acl import node_accessor_ids
from infra.mtls import Access

DYNAMIC = "pulumi-python:dynamic/slipway:"
AUTH_METHOD_TYPE = "consul:index/aclAuthMethod:AclAuthMethod"
POLICY_TYPE = "consul:index/aclPolicy:AclPolicy"
TOKEN_TYPES = ("consul:index/aclToken:AclToken", "nomad:index/aclToken:AclToken")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a backup and a restore need of a stack's state."""

    backups: BackupAccess
    access: Access
    """With the management tokens that the state has."""
    initial_tokens: Mapping[str, str]
    """Management tokens of ``consul`` and ``nomad`` with which a new cluster is bootstrapped."""
    roster_urn: str
    """Of the resource whose replacement makes a new cluster."""
    servers: Sequence[Server]
    node_accessors: frozenset[str]
    """Accessor ids of the Consul tokens of all machines, and of the DNS token."""
    auth_methods: frozenset[str]
    policies: frozenset[str]
    token_names: frozenset[str]
    """Names of what the program creates in Consul's and Nomad's access control."""


def find_target(resources: Iterable[Mapping[str, Any]], stack: str) -> Target:
    """Return the cluster of a state with its secrets in plain text.

    Raises:
        UsageError: the state has no complete cluster, or no bucket of backups.
    """
    current = [resource for resource in resources if not resource.get("delete")]
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for resource in current:
        by_type.setdefault(resource["type"], []).append(resource)
    backups = find_access(current)
    bootstrap, management, roster = (
        by_type.get(DYNAMIC + name, []) for name in ("Bootstrap", "ManagementTokens", "Roster")
    )
    if backups is None or not (bootstrap and management and roster):
        raise UsageError(
            f"the state has no complete cluster with a bucket of backups; "
            f"run `python -m deploy up {stack}`"
        )
    inputs = bootstrap[0]["inputs"]
    node_tokens = [
        enrolment["inputs"]["tokens"] for enrolment in by_type.get(f"{DYNAMIC}Enrolment", ())
    ]
    return Target(
        backups=backups,
        access=bootstrap[0]["outputs"]["access"],
        initial_tokens=management[0]["inputs"]["secrets"],
        roster_urn=str(roster[0]["urn"]),
        servers=list_servers(current),
        node_accessors=frozenset(
            {accessor_id(inputs["dns"])}.union(*map(node_accessor_ids, node_tokens))
        ),
        auth_methods=_names(by_type.get(AUTH_METHOD_TYPE, ()), "name"),
        policies=_names(by_type.get(POLICY_TYPE, ()), "name"),
        token_names=frozenset().union(
            *(
                _names(by_type.get(type, ()), field)
                for type, field in zip(TOKEN_TYPES, ("description", "name"), strict=True)
            )
        ),
    )


def _names(resources: Iterable[Mapping[str, Any]], field: str) -> frozenset[str]:
    return frozenset(str(resource["inputs"][field]) for resource in resources)
