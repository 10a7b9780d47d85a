"""Nomad's API as far as a cluster's beginning, its nodes and its keys take it."""

from typing import Any

from infra.cluster_api.client import REQUEST_TIMEOUT_S, AgentApi, AgentError
from infra.cluster_api.keyring import Pool
from infra.mtls import Access

RESET = "/var/lib/nomad/server/acl-bootstrap-reset"
SECOND = 1_000_000_000
"""Nanoseconds, in which Nomad counts."""


class Nomad(AgentApi):
    """A Nomad server, asked with a token; with none where ``nomad_token`` is empty."""

    def __init__(self, access: Access, asking: tuple[float, float] = REQUEST_TIMEOUT_S) -> None:
        self._token = access["nomad_token"]
        super().__init__(
            "Nomad",
            access["nomad"],
            access,
            {"X-Nomad-Token": self._token} if self._token else {},
            asking,
        )

    def leader(self) -> bool:
        return bool(self.ask("GET", "/v1/status/leader"))

    def servers(self) -> set[str]:
        """Addresses of the servers that are alive."""
        return {
            member["Addr"]
            for member in self.ask("GET", "/v1/agent/members")["Members"]
            if member["Status"] == "alive"
        }

    def clients(self) -> set[tuple[str, str]]:
        """Nodes that take jobs. By address too: a machine that is gone stays in the list for a while under the same name."""
        nodes = self.ask("GET", "/v1/nodes")
        return {
            (node["Name"], node["Address"])
            for node in nodes
            if node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible"
        }

    def bootstrap(self) -> None:
        """Begin access control; the token becomes the first manager's."""
        self.ask("POST", "/v1/acl/bootstrap", {"BootstrapSecret": self._token})

    def manages(self) -> bool:
        """Whether the token is a manager's."""
        try:
            own = self.ask("GET", "/v1/acl/token/self")
        except AgentError as refused:
            if refused.status in (403, 404):
                return False
            raise
        return bool(own["Type"] == "management")

    def own_accessor(self) -> str:
        return str(self.ask("GET", "/v1/acl/token/self")["AccessorID"])

    def another_manager(self, name: str) -> str:
        """The secret of the manager's token of this name, made if there is none: Nomad chooses it, and shows it to managers."""
        there = [token for token in self.ask("GET", "/v1/acl/tokens") if token["Name"] == name]
        if there:
            made = self.ask("GET", f"/v1/acl/token/{there[0]['AccessorID']}")
        else:
            made = self.ask(
                "POST", "/v1/acl/token", {"Name": name, "Type": "management", "Global": True}
            )
        return str(made["SecretID"])

    def knows(self, token: str) -> bool:
        """Whether there is a token of this accessor."""
        return self.found(f"/v1/acl/token/{token}") is not None

    def revoke(self, token: str) -> None:
        """Make a token, named by its accessor, of no use."""
        self.remove(f"/v1/acl/token/{token}")

    def introduction(self, node: str, seconds: int) -> str:
        """A token with which a client of this name may register, once it is made, for so long."""
        asked = {"NodeName": node, "TTL": seconds * SECOND}
        return str(self.ask("POST", "/v1/acl/identity/client-introduction-token", asked)["JWT"])

    def nodes(self, name: str) -> list[dict[str, Any]]:
        """Clients of this name that are up."""
        return [
            one
            for one in self.ask("GET", "/v1/nodes")
            if one["Name"] == name and one["Status"] != "down"
        ]

    def set_eligible(self, name: str) -> None:
        """Let the nodes of this name take jobs again, if they were drained."""
        for one in self.nodes(name):
            if one["SchedulingEligibility"] != "eligible":
                self.ask("POST", f"/v1/node/{one['ID']}/eligibility", {"Eligibility": "eligible"})

    def drain(self, name: str, seconds: int) -> list[str]:
        """Begin to move everything off the nodes of this name, within so long; gives their ids."""
        ids = [one["ID"] for one in self.nodes(name)]
        for one in ids:
            self.ask("POST", f"/v1/node/{one}/drain", {"DrainSpec": {"Deadline": seconds * SECOND}})
        return ids

    def is_draining(self, node_id: str) -> bool:
        """Whether the node still has something to move."""
        known: dict[str, Any] = self.ask("GET", f"/v1/node/{node_id}")
        return known["DrainStrategy"] is not None

    def pools(self) -> list[Pool]:
        listed = self.ask("GET", "/v1/agent/keyring/list")
        return [Pool("servers", listed["NumNodes"], listed["Keys"] or {})]

    def install_key(self, key: str) -> None:
        self.ask("PUT", "/v1/agent/keyring/install", {"Key": key})

    def use_key(self, key: str) -> None:
        self.ask("PUT", "/v1/agent/keyring/use", {"Key": key})

    def remove_key(self, key: str) -> None:
        self.ask("PUT", "/v1/agent/keyring/remove", {"Key": key})
