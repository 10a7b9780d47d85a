"""Puts snapshots into a running cluster, and removes what the restored state has of a former one.

The update that follows replaces the cluster's identity. So it creates the program's tokens,
policies and jobs, and enrols the workers again, as for a new cluster.
"""

import json
import re
from collections.abc import Callable

from deploy.backup.target import Target
from deploy.errors import DeployError
from infra import ssh
from infra.backup.archive import Snapshots
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import NODE_TOKEN
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

RESTORE_TIMEOUT_S = (1.0, 120.0)
"""For the connection, and then for the restore of one snapshot."""
READY_TIMEOUT_S = 120.0
"""Time for leaders to apply a restored state, and for all requests together."""
DELIVERY_TIMEOUT_S = 60
RESET_INDEX = re.compile(r"reset index: (\d+)")
"""In the response of Consul or Nomad that refuses a bootstrap."""
MANAGEMENT_TOKEN = re.compile(r"Manager|(manager|backup) [0-9a-f-]+|Bootstrap Token.*")
"""Names of the management tokens of all clusters."""
LEADER_PATH = "/v1/status/leader"


class RestoreError(DeployError):
    """The cluster did not accept a snapshot; the message names the cause and the remedy."""


def ensure_access(target: Target) -> Access:
    """Return access with management tokens that the cluster knows.

    After an interrupted restore the cluster may not know those of the state.

    Raises:
        RestoreError: a server refuses or does not answer.
    """
    access: Access = {**target.access}
    retrier = Retrier(READY_TIMEOUT_S)
    try:
        if not retrier.run("Consul's token", Consul(access).has_management_token):
            access["consul_token"] = target.initial_tokens["consul"]
            _ensure_management(Consul(access), target, retrier)
        if not retrier.run("Nomad's token", Nomad(access).has_management_token):
            access["nomad_token"] = target.initial_tokens["nomad"]
            _ensure_management(Nomad(access), target, retrier)
    except (AgentError, ssh.DeliveryError) as error:
        raise RestoreError(f"nothing was restored: {error}") from error
    return access


def restore(
    target: Target, access: Access, snapshots: Snapshots, report: Callable[[str], None]
) -> None:
    """Restore both snapshots, and make the stack's initial management tokens valid.

    Args:
        access: from ``ensure_access``.

    Raises:
        RestoreError: a server refuses or does not answer.
    """
    retrier = Retrier(READY_TIMEOUT_S)
    initial: Access = {
        **access,
        "consul_token": target.initial_tokens["consul"],
        "nomad_token": target.initial_tokens["nomad"],
    }
    try:
        Consul(access, RESTORE_TIMEOUT_S).restore_snapshot(snapshots.consul)
        report("Consul has the restored state")
        _ensure_management(Consul(initial), target, retrier)
        Nomad(access, RESTORE_TIMEOUT_S).restore_snapshot(snapshots.nomad)
        report("Nomad has the restored state")
        _ensure_management(Nomad(initial), target, retrier)
        retrier.run("Consul's entries", lambda: _remove_from_consul(Consul(initial), target))
        retrier.run("Nomad's entries", lambda: _remove_from_nomad(Nomad(initial), target))
    except (AgentError, ssh.DeliveryError) as error:
        raise RestoreError(f"the restore is incomplete, run it again: {error}") from error


def _ensure_management(api: Consul | Nomad, target: Target, retrier: Retrier) -> None:
    """Bootstrap the ACLs once more, unless the restored state has the client's token.

    The tokens differ if they were rotated before or after the backup was taken.
    """
    if retrier.run(f"{api.kind}'s management token", api.has_management_token):
        return
    leader = str(retrier.run(f"{api.kind}'s leader", lambda: api.request("GET", LEADER_PATH)))
    [server] = [
        server for server in target.servers if server.private_address == leader.rpartition(":")[0]
    ]
    action = {
        "action": "permit-bootstrap",
        "program": api.kind.lower(),
        "index": retrier.run(f"{api.kind}'s reset index", lambda: _reset_index(api)),
    }
    ssh.deliver(
        server.address,
        server.enrol_key,
        (server.host_key,),
        lambda: json.dumps(action).encode(),
        DELIVERY_TIMEOUT_S,
        lambda _: None,
    )
    retrier.run(f"{api.kind}'s ACL bootstrap", api.bootstrap_acl)


def _reset_index(api: Consul | Nomad) -> int:
    try:
        api.bootstrap_acl()
    except AgentError as error:
        if found := RESET_INDEX.search(str(error)):
            return int(found[1])
        raise
    raise AgentError(f"{api.kind} was not bootstrapped")


def _remove_from_consul(consul: Consul, target: Target) -> None:
    """Remove tokens and policies that the update creates again, and nodes that are gone.

    With an auth method, Consul removes its binding rules and the tokens of its workloads.
    """
    for method in target.auth_methods:
        consul.delete(f"/v1/acl/auth-method/{method}")
    kept = {*target.node_accessors, consul.own_accessor_id()}
    for token in consul.request("GET", "/v1/acl/tokens"):
        name = str(token["Description"])
        is_of_program = name in target.token_names or bool(
            NODE_TOKEN.fullmatch(name) or MANAGEMENT_TOKEN.fullmatch(name)
        )
        if is_of_program and token["AccessorID"] not in kept:
            consul.revoke_token(token["AccessorID"])
    for policy in consul.request("GET", "/v1/acl/policies"):
        if policy["Name"] in target.policies:
            consul.delete(f"/v1/acl/policy/{policy['ID']}")
    alive = {member["Tags"].get("id") for member in consul.request("GET", "/v1/agent/members")}
    for node in consul.request("GET", "/v1/catalog/nodes"):
        # A node without an id is no agent, but an external one.
        if node["ID"] and node["ID"] not in alive:
            consul.request("PUT", "/v1/catalog/deregister", {"Node": node["Node"]})


def _remove_from_nomad(nomad: Nomad, target: Target) -> None:
    """Remove tokens that the update creates again, and all clients, which register again."""
    kept = nomad.own_accessor_id()
    for token in nomad.request("GET", "/v1/acl/tokens"):
        name, is_management = str(token["Name"]), token["Type"] == "management"
        is_of_program = name in target.token_names or (
            is_management and MANAGEMENT_TOKEN.fullmatch(name)
        )
        if is_of_program and token["AccessorID"] != kept:
            nomad.revoke_token(token["AccessorID"])
    for node in nomad.request("GET", "/v1/nodes"):
        nomad.request("PUT", f"/v1/node/{node['ID']}/purge")
