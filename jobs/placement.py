"""Whether the cluster has room for a job: Nomad is asked for its plan before it is given the job.

Nomad takes a job that fits nowhere and waits for room, and whoever waits for the deployment waits as well. So a job
that is new or changed has to be placed in a plan first; what already runs as it is asked for is not judged again.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from infra.mtls import Access, session

PATIENCE = 15
"""Tries, ``PACE`` seconds apart: a node that has just joined does not tell at once all that it has."""
PACE = 1.0
REQUEST_TIMEOUT_S = (2.0, 10.0)
"""Seconds that a connection and then a plan may take."""


class NoPlaceError(pulumi.RunError):
    """The job was not registered; the message names the job and the cause."""


async def placed(jobspec: str, access: Access) -> str:
    """``jobspec`` as it is, once Nomad has a place for every instance that it would start now. Of ``access`` no error tells but the URL.

    Raises:
        NoPlaceError: it has none, refuses the job, or does not answer.
    """
    job = json.loads(jobspec)["Job"]
    for again in reversed(range(PATIENCE)):
        problem = await asyncio.to_thread(_problem, job, access)
        if not problem:
            break
        if not again:
            raise NoPlaceError(f"job {job['ID']}, not registered: {problem}")
        await asyncio.sleep(PACE)
    return jobspec


def _problem(job: Mapping[str, Any], access: Access) -> str:
    """Why the job cannot be placed, in words; empty when it can."""
    nomad = access["nomad"]
    try:
        with session(access, {"X-Nomad-Token": access["nomad_token"]}) as asked:
            answer = asked.put(
                f"{nomad}/v1/job/{job['ID']}/plan",
                json={"Job": job, "Diff": True},
                timeout=REQUEST_TIMEOUT_S,
            )
            if not answer.ok:
                return f"Nomad says {answer.status_code}: {answer.text.strip()}"
            plan = answer.json()
    except OSError as silent:  # what requests and TLS raise
        return f"Nomad at {nomad} does not answer ({type(silent).__name__})"
    if plan["Diff"]["Type"] == "None":
        return ""
    nobody = f"no node of {', '.join(job['Datacenters'])} is ready"
    groups = sorted((plan["FailedTGAllocs"] or {}).items())
    return "; ".join(
        f"no room for group {group}: {', '.join(_reasons(metric)) or nobody}"
        for group, metric in groups
    )


def _reasons(metric: Mapping[str, Any]) -> Iterator[str]:
    nodes = metric["NodesEvaluated"]
    for constraint, count in sorted((metric["ConstraintFiltered"] or {}).items()):
        yield f"constraint {constraint} filtered {count} of {nodes} nodes"
    for dimension, count in sorted((metric["DimensionExhausted"] or {}).items()):
        yield f"{dimension} exhausted on {count} of {nodes} nodes"
