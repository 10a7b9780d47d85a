"""A running cluster, as its Consul and Nomad tell it. Reads only."""

from collections.abc import Iterator, Mapping
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
class Instance:
    """An allocation of a job: what Nomad placed on a node. ``number`` is short, as people and services name it."""

    id: str
    node: str
    tasks: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.id[:8]


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
        self._session.trust_env = False  # a cluster's addresses are never behind a proxy

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

    def instances(self, job: str) -> list[Instance]:
        """The job's instances that have been started, those gone in good order left out, the oldest first."""
        found = sorted(self._get(f"{self.nomad}/v1/job/{job}/allocations"), key=lambda one: int(one["CreateTime"]))
        return [
            Instance(one["ID"], one["NodeName"], tuple(one["TaskStates"]))
            for one in found
            if one["ClientStatus"] != "complete" and one["TaskStates"]
        ]

    def log(self, instance: Instance, task: str, stream: str, *, offset: int, follow: bool = False) -> Iterator[bytes]:
        """Lines, with their ends, of ``stdout`` or ``stderr`` from ``offset`` bytes before its end on; none if it is not there yet."""
        url = f"{self.nomad}/v1/client/fs/logs/{instance.id}"
        query = {"task": task, "type": stream, "origin": "end", "offset": str(offset), "plain": "true", "follow": str(follow).lower()}
        timeout = (TIMEOUT_SECONDS, None if follow else TIMEOUT_SECONDS)
        rest = b""
        try:
            with self._session.get(url, params=query, stream=True, timeout=timeout) as response:
                if response.status_code == 404:
                    return
                response.raise_for_status()
                for piece in response.iter_content(chunk_size=None):
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (line + b"\n" for line in lines)
        except requests.RequestException as error:
            raise ClusterError(f"{self.nomad} did not give the {stream} of {instance.number}: {error}") from error
        if rest:
            yield rest

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
