"""Checks that a stack serves: its URL, members, nodes, jobs and health checks."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from deploy.cluster import Cluster, ClusterError
from infra import names
from infra.cluster_api.job_status import JobStatus

TIMEOUT_S = 60.0
"""How long a failed check is repeated. A Consul check and three load balancer probes need less."""
MAX_URL_REQUESTS = 40
"""The load balancer and frontserve both alternate, so a few requests reach every instance."""
URL_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.25
SERF_CHECK = "Serf Health Status"
"""Consul's own check of a machine: whether its agent answers the others."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str
    is_warning: bool = False
    """Whether somebody should look, although the stack serves."""

    @property
    def word(self) -> str:
        if not self.ok:
            return "WRONG"
        return "WARNING" if self.is_warning else "ok"


def verify(outputs: Mapping[str, Any], timeout_s: float = TIMEOUT_S) -> list[CheckResult]:
    """Repeat all checks until all succeed, or for ``timeout_s``; return the last results.

    Raises:
        ClusterError: the outputs have no addresses.
    """
    cluster = Cluster.from_outputs(outputs)
    deadline = time.monotonic() + timeout_s
    while True:
        results = _check_all(cluster, outputs)
        if all(result.ok for result in results) or time.monotonic() >= deadline:
            return results
        time.sleep(POLL_INTERVAL_S)


def _check_all(cluster: Cluster, outputs: Mapping[str, Any]) -> list[CheckResult]:
    expected = {
        str(member["name"] if isinstance(member, Mapping) else member)
        for member in outputs.get("members", ())
    }
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "consul members": lambda: _check_members(cluster, expected),
        "nomad nodes": lambda: _check_nodes(cluster, expected),
        "nomad jobs": lambda: _check_jobs(cluster, set((outputs.get("services") or {}).values())),
        "consul checks": lambda: _check_health(cluster, expected),
        "url": lambda: check_url(str(outputs["url"]), cluster.jobs()),
    }
    return [_result(subject, check) for subject, check in checks.items()]


def _result(subject: str, check: Callable[[], tuple[bool, str]]) -> CheckResult:
    try:
        return CheckResult(subject, *check())
    except ClusterError as error:
        return CheckResult(subject, False, str(error))


def _check_members(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    alive = {member.name for member in cluster.members() if member.status == "alive"}
    if missing := sorted(expected - alive):
        return False, f"{len(alive)} alive; missing: {', '.join(missing)}"
    return bool(alive), f"{len(alive)} alive: {', '.join(sorted(alive))}"


def _check_nodes(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    """Check that every worker accepts jobs. Nomad lists a deleted node as down for a while."""
    nodes = [node for node in cluster.nodes() if node.status != "down"]
    problems = [
        f"{node.name} is {node.status}, {node.eligibility}" for node in nodes if not node.is_ready
    ]
    workers = {name for name in expected if names.is_worker(name)}
    problems += [f"{name} is missing" for name in sorted(workers - {node.name for node in nodes})]
    return bool(nodes) and not problems, ", ".join(problems) or f"{len(nodes)} ready"


def _check_jobs(cluster: Cluster, services: set[str]) -> tuple[bool, str]:
    """Check that every job is as declared, and that Nomad has the job of every service.

    Nomad keeps a stopped job for some hours. It is a problem only if it belongs to a service.
    """
    jobs = [job for job in cluster.jobs() if not job.is_stopped or job.name in services]
    missing = sorted(services - {job.name for job in jobs})
    is_healthy = bool(jobs) and not missing and all(job.is_healthy for job in jobs)
    details = [*map(describe_job, jobs), *(f"{name} is missing" for name in missing)]
    return is_healthy, "; ".join(details) or "none"


def describe_job(job: JobStatus) -> str:
    """Return what runs of a job, and what it lacks: ``backserve v3 1/2, no room ...``."""
    kind = "" if job.type == "service" else f" {job.type}"
    count = f" {job.healthy}/{job.declared}" if job.declared else ""
    problem = f", {job.problem}" if job.problem else ""
    return f"{job.name} v{job.version}{kind}{count}{problem}"


def _check_health(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    """Check the health checks of all machines that are expected or still alive.

    Consul lists a machine that was deleted without leaving as failed for three days. Its other
    checks keep their last status.
    """
    all_checks = cluster.checks()
    deleted = {
        check.node
        for check in all_checks
        if check.name == SERF_CHECK and check.status == "critical"
    } - expected
    checks = [check for check in all_checks if check.node not in deleted]
    problems = [
        f"{check.service or check.node}: {check.name} is {check.status}"
        for check in checks
        if check.status != "passing"
    ]
    return bool(checks) and not problems, "; ".join(problems) or f"{len(checks)} passing"


def check_url(url: str, jobs: Iterable[JobStatus]) -> tuple[bool, str]:
    """Send requests until every instance of backserve has answered through frontserve.

    Without a job backserve, one response of the URL is enough.
    """
    declared = next((job.declared for job in jobs if job.name == "backserve"), 0)
    if not declared:
        return _check_response(url)
    answered: set[str] = set()
    problem = ""
    for _ in range(MAX_URL_REQUESTS):
        try:
            response = requests.get(url, timeout=URL_TIMEOUT_S)
            reply = response.json()
            if not isinstance(reply, dict):
                raise ValueError(f"{response.status_code}: {response.text}")
            backserve = reply.get("backserve") or {}
            if response.ok and backserve.get("instance"):
                answered.add(f"{backserve['instance']} on {backserve.get('node', '?')}")
            else:
                problem = f"; {response.status_code}: {reply.get('reason', reply)}"
        except (requests.RequestException, ValueError) as error:
            problem = f"; {error}"
            time.sleep(POLL_INTERVAL_S)
        if declared and len(answered) >= declared:
            return True, f"{url} answers; backserve by {', '.join(sorted(answered))}"
    return False, f"{url}: {len(answered)} of {declared} backserve instances answered{problem}"


def _check_response(url: str) -> tuple[bool, str]:
    try:
        response = requests.get(url, timeout=URL_TIMEOUT_S)
    except requests.RequestException as error:
        return False, f"{url}: {error}"
    return response.ok, f"{url} answers with {response.status_code}"
