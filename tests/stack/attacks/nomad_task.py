"""A program of the attacker's, run as a job of the target's Nomad."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.stack.attacks.target import Target
from tests.stack.rig import wait_for

RUN_TIMEOUT_S = 60.0
HOUR_NS = 3600 * 10**9
LOGS = "/v1/client/fs/logs/{allocation}?task=attack&type={stream}&plain=true"


def run_task(
    target: Target, args: Sequence[str], artifacts: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Run ``python3 ARGS`` in a task on the attacker's worker; return its output.

    If the task fails, its events are included. The job has a workload identity, but Consul has no
    binding rule for it. It is purged afterwards.
    """
    name = f"attack-{secrets.token_hex(3)}"
    task = {
        "Name": "attack",
        "Driver": target.driver,
        "Config": {"command": "/usr/bin/python3", "args": list(args)},
        "Artifacts": list(artifacts),
        "Identities": [
            {"Name": "STRANGER", "Audience": ["consul.io"], "Env": True, "TTL": HOUR_NS}
        ],
        "Resources": {"CPU": 100, "MemoryMB": 100},
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
    }
    on_worker = {
        "LTarget": "${node.unique.name}",
        "RTarget": target.worker.name,
        "Operand": "=",
    }
    group = {
        "Name": "attack",
        "Constraints": [on_worker],
        "Tasks": [task],
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "EphemeralDisk": {"SizeMB": 150},
    }
    job = {
        "ID": name,
        "Name": name,
        "Type": "batch",
        "Datacenters": [target.datacenter],
        "TaskGroups": [group],
    }
    submitted = target.nomad_as_manager("/v1/jobs", "POST", {"Job": job})
    assert submitted.status == 200, submitted.detail
    try:
        allocation = _wait_for_end(target, name)
        logs = [
            target.nomad_as_manager(LOGS.format(allocation=allocation["ID"], stream=stream))
            for stream in ("stdout", "stderr")
        ]
        events = [event["DisplayMessage"] for event in allocation["TaskStates"]["attack"]["Events"]]
        return "\n".join(
            [
                *(log.text for log in logs if log.status == 200),
                *(events if allocation["ClientStatus"] == "failed" else []),
            ]
        )
    finally:
        target.nomad_as_manager(f"/v1/job/{name}?purge=true", "DELETE")


def _wait_for_end(target: Target, job: str) -> dict[str, Any]:
    """Return the job's only allocation, once it has ended."""

    def ended() -> list[dict[str, Any]]:
        allocations = target.nomad_as_manager(f"/v1/job/{job}/allocations").json
        return [each for each in allocations if each["ClientStatus"] in ("complete", "failed")]

    found = wait_for(ended, RUN_TIMEOUT_S)
    assert found, f"{job} does not end"
    return found[0]
