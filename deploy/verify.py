"""Proof that a stack serves: its URL, its members, its nodes, its jobs and its checks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from deploy.cluster import Cluster, ClusterError, Job

PATIENCE_SECONDS = 60.0
"""How long what is wrong may take to turn right: a check's interval and a balancer's three probes fit in it."""
TRIES = 40
"""Requests to the URL at most; the balancer and frontserve both take turns, so a few reach every instance."""
PAUSE_SECONDS = 0.25
SERF_CHECK = "Serf Health Status"
"""Consul's own check of a machine: whether its agent answers the others."""


@dataclass(frozen=True)
class Proof:
    """One thing looked at: whether it is as it should be, and what was seen."""

    subject: str
    ok: bool
    seen: str


def verify(outputs: Mapping[str, Any], patience: float = PATIENCE_SECONDS) -> list[Proof]:
    """Look at everything until all of it is right, or for ``patience`` seconds; the last look counts.

    Raises:
        ClusterError: the stack exports no addresses.
    """
    cluster = Cluster.of_outputs(outputs)
    deadline = time.monotonic() + patience
    while True:
        proofs = _look(cluster, outputs)
        if all(proof.ok for proof in proofs) or time.monotonic() >= deadline:
            return proofs
        time.sleep(PAUSE_SECONDS)


def _look(cluster: Cluster, outputs: Mapping[str, Any]) -> list[Proof]:
    expected = {
        str(one["name"] if isinstance(one, Mapping) else one) for one in outputs.get("members", ())
    }
    return [
        _proof("consul members", lambda: _members(cluster, expected)),
        _proof("nomad nodes", lambda: _nodes(cluster, expected)),
        _proof("nomad jobs", lambda: _jobs(cluster)),
        _proof("consul checks", lambda: _checks(cluster, expected)),
        _proof("url", lambda: _url(str(outputs["url"]), cluster)),
    ]


def _proof(subject: str, look: Callable[[], tuple[bool, str]]) -> Proof:
    try:
        ok, seen = look()
    except ClusterError as error:
        ok, seen = False, str(error)
    return Proof(subject, ok, seen)


def _members(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    members = cluster.members()
    alive = {member.name for member in members if member.status == "alive"}
    if missing := sorted(expected - alive):
        return False, f"{len(alive)} alive; missing: {', '.join(missing)}"
    return bool(alive), f"{len(alive)} alive: {', '.join(sorted(alive))}"


def _nodes(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    """Every worker takes jobs; one that was taken away is listed as down for a while."""
    nodes = [node for node in cluster.nodes() if node.status != "down"]
    bad = [f"{node.name} is {node.status}, {node.eligibility}" for node in nodes if not node.ready]
    workers = {name for name in expected if name.startswith("worker")}
    bad += [f"{name} is missing" for name in sorted(workers - {node.name for node in nodes})]
    return bool(nodes) and not bad, ", ".join(bad) or f"{len(nodes)} ready"


def _jobs(cluster: Cluster) -> tuple[bool, str]:
    jobs = cluster.jobs()

    def tell(job: Job) -> str:
        why = f", deployment {job.deployment}: {job.reason}" if not job.well else ""
        return f"{job.name} v{job.version} {job.running}/{job.wanted}{why}"

    return bool(jobs) and all(job.well for job in jobs), "; ".join(map(tell, jobs)) or "none"


def _checks(cluster: Cluster, expected: set[str]) -> tuple[bool, str]:
    """A machine that was taken away without a farewell is not counted: Consul lists it as failed for three days more.

    Its other checks stay as they last were, whatever that was.
    """
    known = cluster.checks()
    gone = {
        check.node for check in known if check.name == SERF_CHECK and check.status == "critical"
    } - expected
    checks = [check for check in known if check.node not in gone]
    bad = [
        f"{check.service or check.node}: {check.name} is {check.status}"
        for check in checks
        if check.status != "passing"
    ]
    return bool(checks) and not bad, "; ".join(bad) or f"{len(checks)} passing"


def _url(url: str, cluster: Cluster) -> tuple[bool, str]:
    """Ask until every instance of backserve has answered through frontserve."""
    wanted = next((job.wanted for job in cluster.jobs() if job.name == "backserve"), 0)
    seen: set[str] = set()
    problem = ""
    for _ in range(TRIES):
        try:
            response = requests.get(url, timeout=5.0)
            reply = response.json()
            behind = reply.get("backserve") or {}
            if response.ok and behind.get("instance"):
                seen.add(f"{behind['instance']} on {behind.get('node', '?')}")
            else:
                problem = f"; {response.status_code}: {reply.get('reason', reply)}"
        except (requests.RequestException, ValueError) as error:
            problem = f"; {error}"
            time.sleep(PAUSE_SECONDS)
        if wanted and len(seen) >= wanted:
            return True, f"{url} answers; backserve by {', '.join(sorted(seen))}"
    return False, f"{url}: {len(seen)} of {wanted} backserve instances answered{problem}"
