"""A running cluster, as its Consul and Nomad tell it. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT_SECONDS = 5.0
CONSUL_ALIVE = 1
"""Serf's number for a member that answers."""


class ClusterError(Exception):
    """Consul or Nomad could not be asked; the message names the address and the cause."""


@dataclass(frozen=True)
class Member:
    """A Consul agent."""

    name: str
    address: str
    role: str
    status: str


@dataclass(frozen=True)
class Node:
    """A Nomad client."""

    name: str
    address: str
    status: str
    eligibility: str

    @property
    def ready(self) -> bool:
        return self.status == "ready" and self.eligibility == "eligible"


@dataclass(frozen=True)
class Check:
    """A health check that Consul holds: of a service's instance, or of a node when ``service`` is empty."""

    node: str
    service: str
    name: str
    status: str
    output: str


@dataclass(frozen=True)
class Service:
    """A service in Consul's catalog and how many of its instances are well."""

    name: str
    instances: int
    passing: int


@dataclass(frozen=True)
class Job:
    """A Nomad job: how many of it are wanted and run, and how its last deployment went."""

    name: str
    wanted: int
    running: int
    version: int
    deployment: str
    reason: str

    @property
    def well(self) -> bool:
        return self.running == self.wanted and self.deployment in ("successful", "")


class Cluster:
    """Asks one Consul and one Nomad server over HTTP."""

    def __init__(self, consul: str, nomad: str) -> None:
        """``consul`` and ``nomad`` are addresses, as ``http://198.51.100.7:8500``."""
        self.consul = consul.rstrip("/")
        self.nomad = nomad.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    @classmethod
    def of_outputs(cls, outputs: Mapping[str, Any]) -> "Cluster":
        """The cluster that a stack's outputs name.

        Raises:
            ClusterError: the outputs lack an address.
        """
        missing = [name for name in ("consul_address", "nomad_address") if not outputs.get(name)]
        if missing:
            raise ClusterError(f"the stack has no output {' and no '.join(missing)}: it is not up")
        return cls(outputs["consul_address"], outputs["nomad_address"])

    def members(self) -> list[Member]:
        status = {CONSUL_ALIVE: "alive", 2: "leaving", 3: "left", 4: "failed"}
        return sorted(
            (
                Member(
                    one["Name"],
                    one["Addr"],
                    "server" if one["Tags"].get("role") == "consul" else "client",
                    status.get(one["Status"], "unknown"),
                )
                for one in self._get(f"{self.consul}/v1/agent/members")
            ),
            key=lambda member: member.name,
        )

    def nodes(self) -> list[Node]:
        return sorted(
            (Node(one["Name"], one["Address"], one["Status"], one["SchedulingEligibility"]) for one in self._get(f"{self.nomad}/v1/nodes")),
            key=lambda node: node.name,
        )

    def checks(self) -> list[Check]:
        return sorted(
            (
                Check(one["Node"], one["ServiceName"], one["Name"], one["Status"], one["Output"].strip())
                for one in self._get(f"{self.consul}/v1/health/state/any")
            ),
            key=lambda check: (check.service, check.node, check.name),
        )

    def services(self) -> list[Service]:
        found = []
        for name in sorted(self._get(f"{self.consul}/v1/catalog/services")):
            instances = self._get(f"{self.consul}/v1/health/service/{name}")
            well = sum(all(check["Status"] == "passing" for check in one["Checks"]) for one in instances)
            found.append(Service(name, len(instances), well))
        return found

    def jobs(self) -> list[Job]:
        return [self._job(stub["ID"]) for stub in sorted(self._get(f"{self.nomad}/v1/jobs"), key=lambda stub: str(stub["ID"]))]

    def _job(self, name: str) -> Job:
        job = self._get(f"{self.nomad}/v1/job/{name}")
        running = sum(one["ClientStatus"] == "running" for one in self._get(f"{self.nomad}/v1/job/{name}/allocations"))
        deployment = self._get(f"{self.nomad}/v1/job/{name}/deployment") or {}
        return Job(
            name=name,
            wanted=sum(group["Count"] for group in job["TaskGroups"]),
            running=running,
            version=job["Version"],
            deployment=deployment.get("Status", ""),
            reason=deployment.get("StatusDescription", ""),
        )

    def _get(self, url: str) -> Any:
        try:
            response = self._session.get(url, timeout=TIMEOUT_SECONDS)
            response.raise_for_status()
            return response.json()
        except (requests.RequestException, ValueError) as error:
            raise ClusterError(f"{url} did not answer as it should: {error}") from error
