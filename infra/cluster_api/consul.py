"""The requests to Consul that bootstrap, enrolment and key rotation need."""

import uuid
from collections.abc import Sequence
from typing import Any

from infra.cluster_api.client import REQUEST_TIMEOUT_S, AgentApi, AgentError, Timeout
from infra.cluster_api.keyring import GossipPool
from infra.mtls import Access

ACCESSOR_NAMESPACE = uuid.UUID("3a1f0f5e-6a5c-4b0e-9d51-7c9a54d2f0b7")
MANAGEMENT_POLICY = "global-management"
"""A built-in policy of Consul."""
DECLARED_MEMBERS_PATH = "/v1/kv/slipway/members"
ACL_RESET_FILE = "/var/lib/consul/acl-bootstrap-reset"
SERF_ALIVE = 1


def accessor_id(secret: str) -> str:
    """Return the accessor id of the token with this secret id.

    It is a hash, so the token can be revoked without its secret.
    """
    return str(uuid.uuid5(ACCESSOR_NAMESPACE, secret))


class Consul(AgentApi):
    """A Consul server. Requests carry ``consul_token``, unless it is empty."""

    def __init__(
        self, access: Access, timeout_s: Timeout = REQUEST_TIMEOUT_S, retry_s: float = 0
    ) -> None:
        self._token = access["consul_token"]
        super().__init__(
            "Consul",
            access["consul"],
            access,
            {"X-Consul-Token": self._token} if self._token else {},
            timeout_s,
            retry_s,
        )

    def alive_members(self) -> set[tuple[str, str]]:
        """Return name and address of each member that is alive."""
        return {
            (member["Name"], member["Addr"])
            for member in self.request("GET", "/v1/agent/members")
            if member["Status"] == SERF_ALIVE
        }

    def declare_members(self, names: Sequence[str]) -> None:
        """Record the names of the members that the stack declares.

        All other members leave.
        """
        self.request("PUT", DECLARED_MEMBERS_PATH, list(names))

    def declared_members(self) -> set[str]:
        """Return what ``declare_members`` recorded; empty if it recorded nothing."""
        return set(self.find(f"{DECLARED_MEMBERS_PATH}?raw=true") or [])

    def node_name(self) -> str:
        """Return the name of the agent that answers."""
        return str(self.request("GET", "/v1/agent/self")["Config"]["NodeName"])

    def take_snapshot(self) -> bytes:
        """Return a snapshot of the state.

        The write adds an entry to the Raft log. Without one, Raft takes no snapshot after a change
        of the servers.
        """
        self.request("PUT", "/v1/kv/slipway/snapshot")
        return self.download("/v1/snapshot")

    def restore_snapshot(self, content: bytes) -> None:
        """Replace the state by that of a snapshot, its tokens included."""
        self.upload("/v1/snapshot", content)

    def bootstrap_acl(self) -> None:
        """Bootstrap the ACLs; the client's token becomes the first management token."""
        self.request("PUT", "/v1/acl/bootstrap", {"BootstrapSecret": self._token})

    def has_management_token(self) -> bool:
        """Whether the client's token is a management token."""
        try:
            token = self.request("GET", "/v1/acl/token/self")
        except AgentError as error:
            if error.status in (403, 404):
                return False
            raise
        return any(policy["Name"] == MANAGEMENT_POLICY for policy in token.get("Policies") or ())

    def ensure_policy(self, name: str, rules: str) -> None:
        """Create the policy, or set its rules."""
        existing = self.find(f"/v1/acl/policy/name/{name}")
        policy = {"Name": name, "Description": "Made by Pulumi", "Rules": rules}
        if existing is None:
            self.request("PUT", "/v1/acl/policy", policy)
        elif existing["Rules"] != rules:
            self.request("PUT", f"/v1/acl/policy/{existing['ID']}", policy)

    def ensure_token(
        self,
        secret: str,
        description: str,
        *,
        policies: Sequence[str] = (),
        node: tuple[str, str] | None = None,
    ) -> None:
        """Create the token, or set its rights to exactly these.

        Args:
            node: name and datacenter of the node whose agent uses the token.
        """
        token: dict[str, Any] = {
            "AccessorID": accessor_id(secret),
            "SecretID": secret,
            "Description": description,
            "Policies": [{"Name": name} for name in policies],
            "NodeIdentities": [{"NodeName": node[0], "Datacenter": node[1]}] if node else [],
        }
        path = f"/v1/acl/token/{accessor_id(secret)}"
        self.request("PUT", "/v1/acl/token" if self.find(path) is None else path, token)

    def has_token(self, accessor: str) -> bool:
        return self.find(f"/v1/acl/token/{accessor}") is not None

    def revoke_token(self, accessor: str) -> None:
        self.delete(f"/v1/acl/token/{accessor}")

    def leave(self) -> None:
        """Make this server leave the cluster, and its process end."""
        self.request("PUT", "/v1/agent/leave")

    def force_leave(self, node: str) -> None:
        """Remove a member that has stopped, unless it is removed; one that is alive stays."""
        try:
            self.request("PUT", f"/v1/agent/force-leave/{node}?prune=1")
        except AgentError as error:
            if "No node found" not in str(error):
                raise

    def gossip_pools(self) -> list[GossipPool]:
        return [
            GossipPool("WAN" if pool["WAN"] else "LAN", pool["NumNodes"], pool["Keys"] or {})
            for pool in self.request("GET", "/v1/operator/keyring")
        ]

    def install_key(self, key: str) -> None:
        self.request("POST", "/v1/operator/keyring", {"Key": key})

    def use_key(self, key: str) -> None:
        self.request("PUT", "/v1/operator/keyring", {"Key": key})

    def remove_key(self, key: str) -> None:
        self.request("DELETE", "/v1/operator/keyring", {"Key": key})
