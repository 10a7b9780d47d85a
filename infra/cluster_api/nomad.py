"""The requests to Nomad that the program sends."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from infra.cluster_api.client import REQUEST_TIMEOUT_S, AgentApi, AgentError, Timeout
from infra.cluster_api.keyring import GossipPool
from infra.mtls import Access

ACL_RESET_FILE = "/var/lib/nomad/server/acl-bootstrap-reset"
ENDED_STATUSES = ("left", "failed")
"""Of a member of the servers' pool."""
NANOSECONDS = 1_000_000_000
"""In a second. Nomad's durations are in nanoseconds."""


class Nomad(AgentApi):
    """A Nomad server. Requests carry ``nomad_token``, unless it is empty."""

    def __init__(
        self, access: Access, timeout_s: Timeout = REQUEST_TIMEOUT_S, retry_s: float = 0
    ) -> None:
        self._token = access["nomad_token"]
        super().__init__(
            "Nomad",
            access["nomad"],
            access,
            {"X-Nomad-Token": self._token} if self._token else {},
            timeout_s,
            retry_s,
        )

    def alive_servers(self) -> set[str]:
        """Return the address of each server that is alive."""
        return {
            member["Addr"]
            for member in self.request("GET", "/v1/agent/members")["Members"]
            if member["Status"] == "alive"
        }

    def ready_clients(self) -> set[tuple[str, str]]:
        """Return name and address of each client that accepts allocations.

        A deleted machine stays in Nomad's list for a while, with the name of its replacement.
        """
        return {
            (node["Name"], node["Address"])
            for node in self.request("GET", "/v1/nodes")
            if node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible"
        }

    def take_snapshot(self) -> bytes:
        """Return a snapshot of the state.

        The reconciliation of the job summaries adds an entry to the Raft log. Without one, Raft
        takes no snapshot after a change of the servers.
        """
        self.request("PUT", "/v1/system/reconcile/summaries")
        return self.download("/v1/operator/snapshot")

    def restore_snapshot(self, content: bytes) -> None:
        """Replace the state by that of a snapshot, its tokens included."""
        self.upload("/v1/operator/snapshot", content)

    def bootstrap_acl(self) -> None:
        """Bootstrap the ACLs; the client's token becomes the first management token."""
        self.request("POST", "/v1/acl/bootstrap", {"BootstrapSecret": self._token})

    def has_management_token(self) -> bool:
        """Whether the client's token is a management token."""
        try:
            token = self.request("GET", "/v1/acl/token/self")
        except AgentError as error:
            if error.status in (403, 404):
                return False
            raise
        return bool(token["Type"] == "management")

    def ensure_management_token(self, name: str) -> str:
        """Return the secret of the management token of this name, which Nomad generates."""
        accessors = [
            token["AccessorID"]
            for token in self.request("GET", "/v1/acl/tokens")
            if token["Name"] == name
        ]
        if accessors:
            token = self.request("GET", f"/v1/acl/token/{accessors[0]}")
        else:
            token = self.request(
                "POST", "/v1/acl/token", {"Name": name, "Type": "management", "Global": True}
            )
        return str(token["SecretID"])

    def has_token(self, accessor: str) -> bool:
        return self.find(f"/v1/acl/token/{accessor}") is not None

    def revoke_token(self, accessor: str) -> None:
        self.delete(f"/v1/acl/token/{accessor}")

    def revoke_tokens(self, name: str) -> None:
        """Revoke all tokens of this name."""
        for token in self.request("GET", "/v1/acl/tokens"):
            if token["Name"] == name:
                self.revoke_token(token["AccessorID"])

    def create_introduction_token(self, node: str, ttl_s: int) -> str:
        """Return a token with which a new client of this name may register within ``ttl_s``."""
        body = {"NodeName": node, "TTL": ttl_s * NANOSECONDS}
        response = self.request("POST", "/v1/acl/identity/client-introduction-token", body)
        return str(response["JWT"])

    def find_clients(self, name: str) -> list[dict[str, Any]]:
        """Return the clients of this name that are not down."""
        return [
            node
            for node in self.request("GET", "/v1/nodes")
            if node["Name"] == name and node["Status"] != "down"
        ]

    def set_eligible(self, name: str) -> None:
        """Make the clients of this name eligible again after a drain."""
        for node in self.find_clients(name):
            self._set_eligibility(node, "eligible")

    def set_ineligible(self, name: str) -> None:
        """Make the clients of this name accept no new allocation."""
        for node in self.find_clients(name):
            self._set_eligibility(node, "ineligible")

    def set_members_eligible(self, names: Collection[str]) -> None:
        """End the drain of the clients of these names, and make them eligible."""
        for node in self.request("GET", "/v1/nodes"):
            if node["Name"] not in names or node["Status"] == "down":
                continue
            if node["Drain"]:
                path = f"/v1/node/{node['ID']}/drain"
                self.request("POST", path, {"DrainSpec": None, "MarkEligible": True})
            else:
                self._set_eligibility(node, "eligible")

    def set_others_ineligible(self, names: Collection[str]) -> None:
        """Make every client accept no new allocation, except those of these names."""
        for node in self.request("GET", "/v1/nodes"):
            if node["Name"] not in names and node["Status"] != "down":
                self._set_eligibility(node, "ineligible")

    def _set_eligibility(self, node: Mapping[str, Any], eligibility: str) -> None:
        if node["SchedulingEligibility"] != eligibility:
            self.request("POST", f"/v1/node/{node['ID']}/eligibility", {"Eligibility": eligibility})

    def start_drain(self, node_id: str, deadline_s: int) -> None:
        """Start to move the allocations of a client to other clients."""
        self.request(
            "POST",
            f"/v1/node/{node_id}/drain",
            {"DrainSpec": {"Deadline": deadline_s * NANOSECONDS}},
        )

    def count_allocations(self, node_id: str) -> int:
        """Return how many allocations of a client have not stopped."""
        allocations = self.request("GET", f"/v1/node/{node_id}/allocations") or []
        return sum(
            allocation["ClientStatus"] in ("pending", "running") for allocation in allocations
        )

    def purge_clients(self, name: str) -> None:
        """Remove the clients of this name from Nomad, those that are down included."""
        for node in self.request("GET", "/v1/nodes"):
            if node["Name"] == name:
                self.request("PUT", f"/v1/node/{node['ID']}/purge")

    def retry_job(self, job_id: str, namespace: str) -> None:
        """Replace the failed allocations of a service job now, without their delay.

        Nomad does not replace those of a failed deployment. A version with the same specification
        starts a new deployment.
        """
        path, query = f"/v1/job/{quote(job_id, safe='')}", f"?namespace={quote(namespace)}"
        deployment = self.request("GET", f"{path}/deployment{query}") or {}
        if deployment.get("Status") == "failed":
            group = self.request("GET", f"{path}{query}")["TaskGroups"][0]
            body = {"Count": group["Count"], "Target": {"Group": group["Name"]}}
            self.request("POST", f"{path}/scale{query}", body)
        else:
            body = {"EvalOptions": {"ForceReschedule": True}}
            self.request("POST", f"{path}/evaluate{query}", {"JobID": job_id, **body})

    def differs(self, job: Mapping[str, Any]) -> bool:
        """Whether a registration of the job would change what Nomad has."""
        plan = self.request("PUT", f"{_job_path(job)}/plan", {"Job": job, "Diff": True})
        return bool(plan["Diff"]["Type"] != "None")

    def register_job(self, job: Mapping[str, Any]) -> None:
        self.request("PUT", _job_path(job), {"Job": job})

    def purge_job(self, job_id: str, namespace: str) -> None:
        """Stop a job and remove it, unless Nomad does not have it."""
        path = f"/v1/job/{quote(job_id, safe='')}?purge=true&namespace={quote(namespace)}"
        self.request("DELETE", path, accept=(404,))

    def is_in_pool(self, server: str) -> bool:
        """Whether a server is a member of the pool that has neither left nor failed."""
        return any(
            member["Name"] == f"{server}.global" and member["Status"] not in ENDED_STATUSES
            for member in self.request("GET", "/v1/agent/members")["Members"]
        )

    def force_leave(self, server: str) -> None:
        """Remove a server from the pool that has left or failed, unless it is removed.

        A server that is removed before stays in the list of servers that Nomad gives its clients.
        """
        try:
            self.request("PUT", f"/v1/agent/force-leave?node={server}.global&prune=true")
        except AgentError as error:
            if "No node found" not in str(error):
                raise

    def gossip_pools(self) -> list[GossipPool]:
        keyring = self.request("GET", "/v1/agent/keyring/list")
        return [GossipPool("servers", keyring["NumNodes"], keyring["Keys"] or {})]

    def install_key(self, key: str) -> None:
        self.request("PUT", "/v1/agent/keyring/install", {"Key": key})

    def use_key(self, key: str) -> None:
        self.request("PUT", "/v1/agent/keyring/use", {"Key": key})

    def remove_key(self, key: str) -> None:
        self.request("PUT", "/v1/agent/keyring/remove", {"Key": key})


def _job_path(job: Mapping[str, Any]) -> str:
    return f"/v1/job/{quote(str(job['ID']), safe='')}"
