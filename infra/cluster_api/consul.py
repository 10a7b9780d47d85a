"""Consul's API as far as a cluster's beginning, its nodes and its keys take it."""

import uuid
from collections.abc import Sequence
from typing import Any

from infra.cluster_api.client import REQUEST_TIMEOUT_S, AgentApi, AgentError
from infra.cluster_api.keyring import Pool
from infra.mtls import Access

NAMESPACE = uuid.UUID("3a1f0f5e-6a5c-4b0e-9d51-7c9a54d2f0b7")
MANAGEMENT = "global-management"
"""The policy that Consul has from the start."""
RESET = "/var/lib/consul/acl-bootstrap-reset"
ALIVE = 1


def accessor(secret: str) -> str:
    """The id under which a token is known to who must not know its secret; what revokes it has to keep nothing else."""
    return str(uuid.uuid5(NAMESPACE, secret))


class Consul(AgentApi):
    """A Consul server, asked with a token; with none where ``consul_token`` is empty."""

    def __init__(self, access: Access, asking: tuple[float, float] = REQUEST_TIMEOUT_S) -> None:
        self._token = access["consul_token"]
        super().__init__(
            "Consul",
            access["consul"],
            access,
            {"X-Consul-Token": self._token} if self._token else {},
            asking,
        )

    def leader(self) -> bool:
        return bool(self.ask("GET", "/v1/status/leader"))

    def members(self) -> set[tuple[str, str]]:
        """Names and addresses of the members that are alive."""
        return {
            (member["Name"], member["Addr"])
            for member in self.ask("GET", "/v1/agent/members")
            if member["Status"] == ALIVE
        }

    def bootstrap(self) -> None:
        """Begin access control; the token becomes the first manager's."""
        self.ask("PUT", "/v1/acl/bootstrap", {"BootstrapSecret": self._token})

    def manages(self) -> bool:
        """Whether the token is a manager's."""
        try:
            own = self.ask("GET", "/v1/acl/token/self")
        except AgentError as refused:
            if refused.status in (403, 404):
                return False
            raise
        return any(policy["Name"] == MANAGEMENT for policy in own.get("Policies") or ())

    def own_accessor(self) -> str:
        return str(self.ask("GET", "/v1/acl/token/self")["AccessorID"])

    def ensure_policy(self, name: str, rules: str) -> None:
        """There under its name with these rules."""
        there = self.found(f"/v1/acl/policy/name/{name}")
        wanted = {"Name": name, "Description": "Made by Pulumi", "Rules": rules}
        if there is None:
            self.ask("PUT", "/v1/acl/policy", wanted)
        elif there["Rules"] != rules:
            self.ask("PUT", f"/v1/acl/policy/{there['ID']}", wanted)

    def ensure_token(
        self,
        secret: str,
        description: str,
        *,
        policies: Sequence[str] = (),
        node: tuple[str, str] | None = None,
    ) -> None:
        """There with these rights, and no others.

        Args:
            node: name and datacenter of the node whose agent it is for.
        """
        wanted: dict[str, Any] = {
            "AccessorID": accessor(secret),
            "SecretID": secret,
            "Description": description,
            "Policies": [{"Name": name} for name in policies],
            "NodeIdentities": [{"NodeName": node[0], "Datacenter": node[1]}] if node else [],
        }
        one = f"/v1/acl/token/{accessor(secret)}"
        self.ask("PUT", "/v1/acl/token" if self.found(one) is None else one, wanted)

    def knows(self, token: str) -> bool:
        """Whether there is a token of this accessor."""
        return self.found(f"/v1/acl/token/{token}") is not None

    def revoke(self, token: str) -> None:
        """Make a token, named by its accessor, of no use."""
        self.remove(f"/v1/acl/token/{token}")

    def pools(self) -> list[Pool]:
        listed = self.ask("GET", "/v1/operator/keyring")
        return [
            Pool("WAN" if pool["WAN"] else "LAN", pool["NumNodes"], pool["Keys"] or {})
            for pool in listed
        ]

    def install_key(self, key: str) -> None:
        self.ask("POST", "/v1/operator/keyring", {"Key": key})

    def use_key(self, key: str) -> None:
        self.ask("PUT", "/v1/operator/keyring", {"Key": key})

    def remove_key(self, key: str) -> None:
        self.ask("DELETE", "/v1/operator/keyring", {"Key": key})
