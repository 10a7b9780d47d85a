"""The jobs of a cluster, each judged by its own type: what is declared, and what is healthy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import quote

from infra.cluster_api.failure_causes import allocation_causes, placement_causes

Get = Callable[[str], Any]
"""Returns the JSON of a server's response to a path after ``/v1/``."""
Fields = Mapping[str, Any]

SERF_CHECK = "serfHealth"
"""Id of Consul's own check of a node."""
DONE_BY_TYPE = {"batch": ("running", "complete"), "sysbatch": ("running", "complete")}
"""Status of an allocation that is as declared; for other types ``running``."""
PER_NODE_TYPES = ("system", "sysbatch")
"""Types with one instance on each node that fits."""
ACTIVE_DEPLOYMENTS = ("running", "pending", "initializing", "blocked", "unblocking", "paused")


@dataclass(frozen=True)
class JobStatus:
    """One job. ``problem`` is empty if it is as declared."""

    name: str
    namespace: str
    type: str
    """Nomad's type, or ``periodic`` or ``parameterized`` for a job that only starts others."""
    version: int
    declared: int
    """Instances; of a batch job, those that must run or complete."""
    healthy: int
    nodes: tuple[str, ...]
    """Of the healthy instances."""
    deployment: str
    """Status of the last deployment."""
    problem: str
    is_changing: bool = False
    """Whether a deployment is active."""
    is_unplaced: bool = False
    """Whether no node takes an instance."""
    is_stopped: bool = False
    """Whether somebody stopped the job; Nomad keeps it for some hours."""

    @property
    def is_healthy(self) -> bool:
        return not self.problem

    @property
    def shortage(self) -> str:
        """What the job lacks: ``1 of 2 instances are healthy: no room ...``."""
        count = f"{self.healthy} of {self.declared} instances are healthy: "
        return f"{count if self.declared else ''}{self.problem}"


class DeclaredJob(TypedDict):
    """A job that a program declares."""

    id: str
    namespace: str
    type: str


class SpecifiedJob(DeclaredJob):
    """A declared job with what the program registers."""

    specification: str
    """JSON; empty if the program gives HCL, which only Nomad can parse."""


def select_declared(
    found: Iterable[JobStatus], declared: Iterable[DeclaredJob]
) -> tuple[JobStatus, ...]:
    """Return the status of each declared job.

    A job that Nomad does not have is a problem, unless its type ends by itself: Nomad removes it
    some hours after its end.
    """
    by_key = {(job.namespace, job.name): job for job in found}
    return tuple(
        by_key.get((job["namespace"], job["id"]))
        or JobStatus(
            name=job["id"],
            namespace=job["namespace"],
            type=job["type"],
            version=0,
            declared=0,
            healthy=0,
            nodes=(),
            deployment="",
            problem="" if job["type"] in DONE_BY_TYPE else "Nomad has no such job",
        )
        for job in declared
    )


def read_jobs(nomad: Get, consul: Get) -> list[JobStatus]:
    """Return all jobs, without the runs of periodic and parameterized jobs.

    A run is judged with the job that started it. The errors of ``nomad`` and ``consul`` are raised.
    """
    stubs: list[Fields] = nomad("jobs?namespace=*")
    checks: list[Fields] = consul("health/state/any") if stubs else []
    reader = _Reader(nomad, checks, stubs)
    return [
        reader.status(stub)
        for stub in sorted(stubs, key=lambda stub: (stub["Namespace"], stub["ID"]))
        if not stub["ParentID"]
    ]


class _Reader:
    def __init__(self, nomad: Get, checks: Sequence[Fields], stubs: Sequence[Fields]) -> None:
        self._nomad = nomad
        self._checks = checks
        self._stubs = stubs
        self._lost_nodes = {
            check["Node"]
            for check in checks
            if check["CheckID"] == SERF_CHECK and check["Status"] == "critical"
        }

    def status(self, stub: Fields) -> JobStatus:
        starts_others = stub["Periodic"] or stub["ParameterizedJob"]
        if stub["Stop"]:
            return self._without_instances(stub, "it is stopped")
        return self._starter(stub) if starts_others else self._instances(stub)

    def _starter(self, stub: Fields) -> JobStatus:
        """Judge a job that only starts others by its last run.

        A run that an older version started says nothing about this version.
        """
        runs = [
            run
            for run in self._stubs
            if run["ParentID"] == stub["ID"]
            and run["Namespace"] == stub["Namespace"]
            and run["SubmitTime"] >= stub["SubmitTime"]
        ]
        problem = ""
        if stub["Periodic"] and runs:
            last = self._instances(max(runs, key=lambda run: int(run["SubmitTime"])))
            problem = f"its last run {last.name}: {last.problem}" if last.problem else ""
        return self._without_instances(stub, problem)

    def _without_instances(self, stub: Fields, problem: str) -> JobStatus:
        kinds = {"periodic": stub["Periodic"], "parameterized": stub["ParameterizedJob"]}
        return JobStatus(
            name=stub["ID"],
            namespace=stub["Namespace"],
            type=next((kind for kind, applies in kinds.items() if applies), stub["Type"]),
            version=self._get(stub, "")["Version"],
            declared=0,
            healthy=0,
            nodes=(),
            deployment="",
            problem=problem,
            is_stopped=stub["Stop"],
        )

    def _instances(self, stub: Fields) -> JobStatus:
        job = self._get(stub, "")
        allocations = [
            allocation
            for allocation in self._get(stub, "/allocations")
            if allocation["DesiredStatus"] == "run"
            and (stub["Type"] not in DONE_BY_TYPE or allocation["JobVersion"] == job["Version"])
        ]
        deployment = self._get(stub, "/deployment") or {}
        done = DONE_BY_TYPE.get(stub["Type"], ("running",))
        problems: list[str] = []
        healthy: list[Fields] = []
        declared, is_unplaced = 0, False
        for group in job["TaskGroups"]:
            placed = [item for item in allocations if item["TaskGroup"] == group["Name"]]
            faults = {item["ID"]: self._fault(item, group, done) for item in placed}
            passing = [item for item in placed if not faults[item["ID"]]]
            summary = (stub["JobSummary"] or {}).get("Summary", {}).get(group["Name"], {})
            count = group["Count"]
            if stub["Type"] in PER_NODE_TYPES:
                count = len(placed) + summary.get("Queued", 0)
            elif stub["Type"] == "batch" and stub["Status"] == "dead" and not placed:
                # Nomad has removed the allocations of a job that ended long ago.
                count = 0
            declared += count
            healthy += passing
            if len(passing) < count or (stub["Type"] in PER_NODE_TYPES and not count):
                unplaced = self._placement_problem(stub, group["Name"])
                is_unplaced = is_unplaced or bool(unplaced)
                reasons = unplaced or [fault for fault in faults.values() if fault]
                reasons = reasons or self._last_failure(stub, group["Name"])
                problems.append("; ".join(dict.fromkeys(reasons)) or "no instance has started")
        status = deployment.get("Status", "")
        if status not in ("", "successful"):
            problems.append(f"deployment {status}: {deployment['StatusDescription']}")
        return JobStatus(
            name=stub["ID"],
            namespace=stub["Namespace"],
            type=stub["Type"],
            version=job["Version"],
            declared=declared,
            healthy=len(healthy),
            nodes=tuple(sorted({str(allocation["NodeName"]) for allocation in healthy})),
            deployment=status,
            problem="; ".join(problems),
            is_changing=status in ACTIVE_DEPLOYMENTS,
            is_unplaced=is_unplaced,
        )

    def _fault(self, allocation: Fields, group: Fields, done: Iterable[str]) -> str:
        """Return why an allocation is not as declared; empty if it is."""
        where = f"on {allocation['NodeName']}"
        status = allocation["ClientStatus"]
        if status not in done:
            causes = "; ".join(allocation_causes(allocation))
            return f"an instance is {status} {where}" + (f" ({causes})" if causes else "")
        if status != "running" or not _has_checks(group):
            return ""
        if allocation["NodeName"] in self._lost_nodes:
            return f"the Consul agent {where} is away"
        checks = [check for check in self._checks if allocation["ID"] in check["ServiceID"]]
        critical = sorted(check["Name"] for check in checks if check["Status"] == "critical")
        if critical:
            return f"check {', '.join(critical)} is critical {where}"
        return "" if checks else f"an instance is not registered in Consul {where}"

    def _placement_problem(self, stub: Fields, group: str) -> list[str]:
        """Return why an instance that the newest evaluation could not place has no node."""
        evaluations: list[Fields] = self._get(stub, "/evaluations")
        newest = max(
            (item for item in evaluations if item["Status"] in ("complete", "blocked")),
            key=lambda item: int(item["CreateIndex"]),
            default={},
        )
        metric = (newest.get("FailedTGAllocs") or {}).get(group)
        if not metric:
            return []
        return [f"no room for group {group}: {', '.join(placement_causes(metric))}"]

    def _last_failure(self, stub: Fields, group: str) -> list[str]:
        """Return why the newest failed instance ended, if its replacement has not started."""
        failed = [
            allocation
            for allocation in self._get(stub, "/allocations")
            if allocation["TaskGroup"] == group and allocation["ClientStatus"] == "failed"
        ]
        newest = max(failed, key=lambda item: int(item["CreateIndex"]), default=None)
        return allocation_causes(newest)[:1] if newest else []

    def _get(self, stub: Fields, path: str) -> Any:
        job, namespace = quote(stub["ID"], safe=""), quote(stub["Namespace"])
        return self._nomad(f"job/{job}{path}?namespace={namespace}")


def _has_checks(group: Fields) -> bool:
    """Whether Consul checks the instances of a task group."""
    owners = [group, *(group.get("Tasks") or [])]
    services = [service for owner in owners for service in owner.get("Services") or []]
    return any(
        service.get("Checks") and service.get("Provider", "consul") == "consul"
        for service in services
    )
