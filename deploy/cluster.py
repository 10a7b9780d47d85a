"""A running cluster, as its Consul and Nomad servers describe it. Only reads."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from deploy.errors import DeployError
from infra import mtls
from infra.cluster_api.job_status import JobStatus, read_jobs
from infra.mtls import Access

REQUEST_TIMEOUT_S = 5.0
SERF_STATUSES = {1: "alive", 2: "leaving", 3: "left", 4: "failed"}


class ClusterError(DeployError):
    """A request to Consul or Nomad failed. The message names the address and the cause."""


@dataclass(frozen=True)
class Member:
    """A Consul agent."""

    name: str
    address: str
    role: str
    status: str


@dataclass(frozen=True)
class Node:
    """A Nomad client agent."""

    name: str
    address: str
    status: str
    eligibility: str

    @property
    def is_ready(self) -> bool:
        return self.status == "ready" and self.eligibility == "eligible"


@dataclass(frozen=True)
class Check:
    """A health check in Consul: of a service instance, or of a node if ``service`` is empty."""

    node: str
    service: str
    name: str
    status: str
    output: str


@dataclass(frozen=True)
class Service:
    """A service in Consul's catalog, and how many of its instances pass all checks."""

    name: str
    instances: int
    passing: int


@dataclass(frozen=True)
class Allocation:
    """An allocation of a job: a task group that Nomad placed on a node."""

    id: str
    node: str
    tasks: tuple[str, ...]

    @property
    def short_id(self) -> str:
        """The first part of the id, as Nomad's CLI shows it."""
        return self.id[:8]


def operator_access(outputs: Mapping[str, Any]) -> Access:
    """Return the cluster's addresses and the operator's credentials, from a stack's outputs.

    The outputs must hold the secrets in plain text.

    Raises:
        ClusterError: an output is missing.
    """
    missing = [
        name
        for name in ("consul_addresses", "nomad_addresses", "operator")
        if not outputs.get(name)
    ]
    if missing:
        raise ClusterError(
            f"the stack has no output {' and no '.join(missing)}: run `up` first, because its "
            "last one did not end"
        )
    operator = outputs["operator"]
    return Access(
        consul=outputs["consul_addresses"],
        nomad=outputs["nomad_addresses"],
        authority=operator["authority"],
        certificate=operator["certificate"],
        key=operator["key"],
        consul_token=operator["consul_token"],
        nomad_token=operator["nomad_token"],
    )


class Cluster:
    """Reads from one Consul and one Nomad server over mutual TLS, as the operator."""

    def __init__(self, access: Access) -> None:
        """Raise ``ClusterError`` if the certificate, its key or the authority cannot be used."""
        self._consul_url = mtls.find_answering_server(access["consul"])
        self._nomad_url = mtls.find_answering_server(access["nomad"])
        try:
            self._consul_session = mtls.session(access, {"X-Consul-Token": access["consul_token"]})
            self._nomad_session = mtls.session(access, {"X-Nomad-Token": access["nomad_token"]})
        except ssl.SSLError as error:
            raise ClusterError(
                f"the certificate in the stack's output operator cannot be used: {error.reason}"
            ) from None

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any]) -> "Cluster":
        """Return the cluster of a stack's outputs.

        Raises:
            ClusterError: an output is missing.
        """
        return cls(operator_access(outputs))

    def members(self) -> list[Member]:
        return sorted(
            (
                Member(
                    member["Name"],
                    member["Addr"],
                    "server" if member["Tags"].get("role") == "consul" else "client",
                    SERF_STATUSES.get(member["Status"], "unknown"),
                )
                for member in self._get_consul("agent/members")
            ),
            key=lambda member: member.name,
        )

    def nodes(self) -> list[Node]:
        return sorted(
            (
                Node(node["Name"], node["Address"], node["Status"], node["SchedulingEligibility"])
                for node in self._get_nomad("nodes")
            ),
            key=lambda node: node.name,
        )

    def checks(self) -> list[Check]:
        return sorted(
            (
                Check(
                    check["Node"],
                    check["ServiceName"],
                    check["Name"],
                    check["Status"],
                    check["Output"].strip(),
                )
                for check in self._get_consul("health/state/any")
            ),
            key=lambda check: (check.service, check.node, check.name),
        )

    def services(self) -> list[Service]:
        services = []
        for name in sorted(self._get_consul("catalog/services")):
            instances = self._get_consul(f"health/service/{name}")
            passing = sum(
                all(check["Status"] == "passing" for check in instance["Checks"])
                for instance in instances
            )
            services.append(Service(name, len(instances), passing))
        return services

    def jobs(self) -> list[JobStatus]:
        """Return all jobs, each judged by its own type."""
        return read_jobs(self._get_nomad, self._get_consul)

    def allocations(self, job: str) -> list[Allocation]:
        """Return the job's allocations that have started and are not complete, oldest first."""
        stubs = sorted(
            self._get_nomad(f"job/{job}/allocations"), key=lambda stub: int(stub["CreateTime"])
        )
        return [
            Allocation(stub["ID"], stub["NodeName"], tuple(stub["TaskStates"]))
            for stub in stubs
            if stub["ClientStatus"] != "complete" and stub["TaskStates"]
        ]

    def log(
        self, allocation: Allocation, task: str, stream: str, *, offset: int, follow: bool = False
    ) -> Iterator[bytes]:
        """Yield lines, with their line ends, of a task's ``stdout`` or ``stderr``.

        Args:
            offset: how many bytes before the end the first line starts.
            follow: wait for new lines.

        Raises:
            ClusterError: Nomad does not send the log.
        """
        url = f"{self._nomad_url}/v1/client/fs/logs/{allocation.id}"
        query = {
            "task": task,
            "type": stream,
            "origin": "end",
            "offset": str(offset),
            "plain": "true",
            "follow": str(follow).lower(),
        }
        timeout = (REQUEST_TIMEOUT_S, None if follow else REQUEST_TIMEOUT_S)
        rest = b""
        try:
            with self._nomad_session.get(
                url, params=query, stream=True, timeout=timeout
            ) as response:
                if response.status_code == 404:
                    return
                response.raise_for_status()
                for piece in response.iter_content(chunk_size=None):
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (line + b"\n" for line in lines)
        except requests.RequestException as error:
            raise ClusterError(
                f"{self._nomad_url} did not send the {stream} of {allocation.short_id}: {error}"
            ) from error
        if rest:
            yield rest

    def _get_consul(self, path: str) -> Any:
        return _get(self._consul_session, f"{self._consul_url}/v1/{path}")

    def _get_nomad(self, path: str) -> Any:
        return _get(self._nomad_session, f"{self._nomad_url}/v1/{path}")


def _get(session: requests.Session, url: str) -> Any:
    try:
        response = session.get(url, timeout=REQUEST_TIMEOUT_S)
        response.raise_for_status()
        return response.json()
    except (requests.RequestException, ValueError) as error:
        raise ClusterError(f"the request for {url} failed: {error}") from error
