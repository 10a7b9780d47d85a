"""The Raft group of Consul's or of Nomad's servers: who votes, who leads, who is healthy."""

from dataclasses import dataclass

from infra.cluster_api.client import AgentApi, AgentError

UNKNOWN_PEER = "(unknown)"
"""Name of a server that is in the Raft configuration, but no member any more."""


@dataclass(frozen=True)
class RaftPeer:
    """A server in the Raft configuration."""

    id: str
    name: str
    address: str
    """Private address, without the port."""
    is_leader: bool
    is_voter: bool


class RaftGroup:
    """Operations on the Raft group of one program. Every call raises ``AgentError``."""

    def __init__(self, api: AgentApi) -> None:
        self.kind = api.kind
        self._api = api

    def peers(self) -> list[RaftPeer]:
        """Return the servers of the Raft configuration."""
        listed = self._api.request("GET", "/v1/operator/raft/configuration")
        return [
            RaftPeer(
                id=server["ID"],
                # Nomad appends the region to the name: ``prime01nyc3.global``.
                name=server["Node"].removesuffix(".global"),
                address=server["Address"].rpartition(":")[0],
                is_leader=server["Leader"],
                is_voter=server["Voter"],
            )
            for server in listed["Servers"]
        ]

    def healthy_voters(self) -> set[str]:
        """Return the private addresses of the voters that autopilot finds healthy."""
        # Both programs answer 429 while a server is unhealthy, with the same body.
        report = self._api.request("GET", "/v1/operator/autopilot/health", accept=(429,))
        return {
            server["Address"].rpartition(":")[0]
            for server in report["Servers"]
            if server["Healthy"] and server["Voter"]
        }

    def transfer_leadership(self, peer: RaftPeer) -> None:
        """Make a voter the leader."""
        method, path = {
            "Consul": ("POST", "/v1/operator/raft/transfer-leader"),
            "Nomad": ("PUT", "/v1/operator/raft/transfer-leadership"),
        }[self.kind]
        self._api.request(method, f"{path}?id={peer.id}")

    def remove(self, peer: RaftPeer) -> None:
        """Remove a server from the Raft configuration, unless it has left already."""
        try:
            self._api.request("DELETE", f"/v1/operator/raft/peer?id={peer.id}")
        except AgentError as error:
            if "not found" not in str(error):
                raise
