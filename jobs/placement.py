"""Asks Nomad to plan a job before it is registered, to find out whether the cluster has room.

Nomad accepts a job that fits on no node and waits for room, and a deployment would wait with it.
So a new or changed job must be placed in a plan first. An unchanged job is not planned again.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pulumi

from infra.cluster_api.failure_causes import placement_causes
from infra.mtls import Access, find_answering_server, session

MAX_ATTEMPTS = 15
"""A node that has just joined reports its drivers and resources after some seconds."""
POLL_INTERVAL_S = 1.0
REQUEST_TIMEOUT_S = (2.0, 10.0)
"""For the connection, and for each read of the reply."""


class NoPlacementError(pulumi.RunError):
    """The job was not registered; the message names the job and the cause."""


async def require_placement(jobspec: str, access: Access) -> str:
    """Return ``jobspec`` unchanged once Nomad can place every instance that it would start now.

    Raises:
        NoPlacementError: Nomad cannot place an instance, refuses the job, or does not answer. The
            message contains no credential of ``access``.
    """
    job = json.loads(jobspec)["Job"]
    for attempt in range(1, MAX_ATTEMPTS + 1):
        problem = await asyncio.to_thread(_placement_problem, job, access)
        if not problem:
            break
        if attempt == MAX_ATTEMPTS:
            raise NoPlacementError(f"job {job['ID']} is not registered: {problem}")
        await asyncio.sleep(POLL_INTERVAL_S)
    return jobspec


def _placement_problem(job: Mapping[str, Any], access: Access) -> str:
    """Return why Nomad cannot place the job, or an empty string."""
    nomad = find_answering_server(access["nomad"])
    try:
        with session(access, {"X-Nomad-Token": access["nomad_token"]}) as http:
            reply = http.put(
                f"{nomad}/v1/job/{job['ID']}/plan",
                json={"Job": job, "Diff": True},
                timeout=REQUEST_TIMEOUT_S,
            )
            if not reply.ok:
                return f"Nomad says {reply.status_code}: {reply.text.strip()}"
            plan = reply.json()
    except OSError as error:  # requests and ssl errors are subclasses of it
        return f"Nomad at {nomad} does not answer ({type(error).__name__})"
    if plan["Diff"]["Type"] == "None":
        return ""
    groups = sorted((plan["FailedTGAllocs"] or {}).items())
    return "; ".join(
        f"no room for group {group}: {', '.join(placement_causes(metric)) or 'no node fits'}"
        for group, metric in groups
    )
