"""A running cluster, as its Consul and Nomad tell it. Reads only."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from infra import mtls
from infra.mtls import Access

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


def access(outputs: Mapping[str, Any]) -> Access:
    """Where the cluster is and who may ask it, by a stack's outputs with the secret ones in clear.

    Raises:
        ClusterError: the outputs lack something.
    """
    missing = [
        name for name in ("consul_address", "nomad_address", "operator") if not outputs.get(name)
    ]
    if missing:
        raise ClusterError(f"the stack has no output {' and no '.join(missing)}: it is not up")
    operator = outputs["operator"]
    return Access(
        consul=outputs["consul_address"],
        nomad=outputs["nomad_address"],
        authority=operator["authority"],
        certificate=operator["certificate"],
        key=operator["key"],
        consul_token=operator["consul_token"],
        nomad_token=operator["nomad_token"],
    )


class Cluster:
    """Asks one Consul and one Nomad server over mutual TLS, with what the operator may do."""

    def __init__(self, access: Access) -> None:
        """Raises: ClusterError: the certificate, its key or the authority cannot be used."""
        self._consul = access["consul"].rstrip("/")
        self._nomad = access["nomad"].rstrip("/")
        try:
            self._of_consul = mtls.session(access, {"X-Consul-Token": access["consul_token"]})
            self._of_nomad = mtls.session(access, {"X-Nomad-Token": access["nomad_token"]})
        except ssl.SSLError as error:
            raise ClusterError(
                f"the stack's output operator holds no certificate that can be used: {error.reason}"
            ) from None

    @classmethod
    def of_outputs(cls, outputs: Mapping[str, Any]) -> "Cluster":
        """The cluster that a stack's outputs name.

        Raises:
            ClusterError: the outputs lack something.
        """
        return cls(access(outputs))

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
                for one in self._ask_consul("agent/members")
            ),
            key=lambda member: member.name,
        )

    def nodes(self) -> list[Node]:
        return sorted(
            (
                Node(one["Name"], one["Address"], one["Status"], one["SchedulingEligibility"])
                for one in self._ask_nomad("nodes")
            ),
            key=lambda node: node.name,
        )

    def checks(self) -> list[Check]:
        return sorted(
            (
                Check(
                    one["Node"],
                    one["ServiceName"],
                    one["Name"],
                    one["Status"],
                    one["Output"].strip(),
                )
                for one in self._ask_consul("health/state/any")
            ),
            key=lambda check: (check.service, check.node, check.name),
        )

    def services(self) -> list[Service]:
        found = []
        for name in sorted(self._ask_consul("catalog/services")):
            instances = self._ask_consul(f"health/service/{name}")
            well = sum(
                all(check["Status"] == "passing" for check in one["Checks"]) for one in instances
            )
            found.append(Service(name, len(instances), well))
        return found

    def jobs(self) -> list[Job]:
        return [
            self._job(stub["ID"])
            for stub in sorted(self._ask_nomad("jobs"), key=lambda stub: str(stub["ID"]))
        ]

    def instances(self, job: str) -> list[Instance]:
        """The job's instances that have been started, those gone in good order left out, the oldest first."""
        found = sorted(
            self._ask_nomad(f"job/{job}/allocations"), key=lambda one: int(one["CreateTime"])
        )
        return [
            Instance(one["ID"], one["NodeName"], tuple(one["TaskStates"]))
            for one in found
            if one["ClientStatus"] != "complete" and one["TaskStates"]
        ]

    def log(
        self, instance: Instance, task: str, stream: str, *, offset: int, follow: bool = False
    ) -> Iterator[bytes]:
        """Lines, with their ends, of ``stdout`` or ``stderr`` from ``offset`` bytes before its end on; none if it is not there yet."""
        url = f"{self._nomad}/v1/client/fs/logs/{instance.id}"
        query = {
            "task": task,
            "type": stream,
            "origin": "end",
            "offset": str(offset),
            "plain": "true",
            "follow": str(follow).lower(),
        }
        timeout = (TIMEOUT_SECONDS, None if follow else TIMEOUT_SECONDS)
        rest = b""
        try:
            with self._of_nomad.get(url, params=query, stream=True, timeout=timeout) as response:
                if response.status_code == 404:
                    return
                response.raise_for_status()
                for piece in response.iter_content(chunk_size=None):
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (line + b"\n" for line in lines)
        except requests.RequestException as error:
            raise ClusterError(
                f"{self._nomad} did not give the {stream} of {instance.number}: {error}"
            ) from error
        if rest:
            yield rest

    def _job(self, name: str) -> Job:
        job = self._ask_nomad(f"job/{name}")
        running = sum(
            one["ClientStatus"] == "running" for one in self._ask_nomad(f"job/{name}/allocations")
        )
        deployment = self._ask_nomad(f"job/{name}/deployment") or {}
        return Job(
            name=name,
            wanted=sum(group["Count"] for group in job["TaskGroups"]),
            running=running,
            version=job["Version"],
            deployment=deployment.get("Status", ""),
            reason=deployment.get("StatusDescription", ""),
        )

    def _ask_consul(self, path: str) -> Any:
        return _get(self._of_consul, f"{self._consul}/v1/{path}")

    def _ask_nomad(self, path: str) -> Any:
        return _get(self._of_nomad, f"{self._nomad}/v1/{path}")


def _get(session: requests.Session, url: str) -> Any:
    try:
        response = session.get(url, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()
    except (requests.RequestException, ValueError) as error:
        raise ClusterError(f"{url} did not answer as it should: {error}") from error
