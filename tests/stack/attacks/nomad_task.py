"""A program run as a job of the victim's, as if the attacker had brought one in, and what it printed."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.stack.attacks.target import Victim

PATIENCE_SECONDS = 60.0
HOUR = 3600 * 10**9
LOGS = "/v1/client/fs/logs/{allocation}?task=attack&type={stream}&plain=true"


def ran(victim: Victim, args: Sequence[str], artifacts: Sequence[Mapping[str, Any]] = ()) -> str:
    """What ``python3 ARGS`` printed in a task on the attacker's worker, with what it complained of; or why Nomad did not run it to its end.

    The job is one that anybody may have brought: nothing is said of it in Consul, and it has an identity of its own. It is
    gone afterwards.
    """
    name = f"attack-{secrets.token_hex(3)}"
    task = {
        "Name": "attack",
        "Driver": victim.driver,
        "Config": {"command": "/usr/bin/python3", "args": list(args)},
        "Artifacts": list(artifacts),
        "Identities": [{"Name": "STRANGER", "Audience": ["consul.io"], "Env": True, "TTL": HOUR}],
        "Resources": {"CPU": 100, "MemoryMB": 100},
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
    }
    there = [{"LTarget": "${node.unique.name}", "RTarget": victim.worker.name, "Operand": "="}]
    group = {
        "Name": "attack",
        "Constraints": there,
        "Tasks": [task],
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "EphemeralDisk": {"SizeMB": 150},
    }
    job = {
        "ID": name,
        "Name": name,
        "Type": "batch",
        "Datacenters": [victim.datacenter],
        "TaskGroups": [group],
    }
    submitted = victim.nomad_manager("/v1/jobs", "POST", {"Job": job})
    assert submitted.status == 200, submitted.seen
    try:
        ended = _ended(victim, name)
        printed = [
            victim.nomad_manager(LOGS.format(allocation=ended["ID"], stream=stream))
            for stream in ("stdout", "stderr")
        ]
        events = [event["DisplayMessage"] for event in ended["TaskStates"]["attack"]["Events"]]
        return "\n".join(
            [
                *(answer.text for answer in printed if answer.status == 200),
                *(events if ended["ClientStatus"] == "failed" else []),
            ]
        )
    finally:
        victim.nomad_manager(f"/v1/job/{name}?purge=true", "DELETE")


def _ended(victim: Victim, job: str) -> dict[str, Any]:
    """The job's one allocation, when it is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found: list[dict[str, Any]] = victim.nomad_manager(f"/v1/job/{job}/allocations").json
        if found and found[0]["ClientStatus"] in ("complete", "failed"):
            return found[0]
        assert time.monotonic() < deadline, f"{job}: {found}"
        time.sleep(0.2)
