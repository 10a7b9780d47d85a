"""Jobs that a user adds to the program: each is judged by its type, by plain ``pulumi up`` too."""

import json
from typing import Any

from tests.stack.rig import Rig, wait_for

PLACE = "    args = DeployServicesArgs.from_settings("
RUN_PYTHON = {"command": "/usr/bin/python3", "args": ["-c", "pass"]}
NIGHTLY = {"Enabled": True, "SpecType": "cron", "Spec": "0 3 * * *"}


def _declare(rig: Rig, *jobs: dict[str, Any]) -> None:
    """Add Nomad jobs to the program."""
    file = rig.directory / "__main__.py"
    lines = [
        f"    nomad.Job({job['ID']!r}, jobspec={json.dumps({'Job': job})!r}, json=True, "
        "opts=providers.nomad)\n"
        for job in jobs
    ]
    program = file.read_text().replace(PLACE, "".join(lines) + PLACE)
    file.write_text(
        program.replace("import pulumi\n", "import pulumi\nimport pulumi_nomad as nomad\n", 1)
    )


def _job(name: str, driver: str, config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    task = {
        "Name": name,
        "Driver": driver,
        "Config": config,
        "Resources": {"CPU": 50, "MemoryMB": 32},
    }
    group = {"Name": name, "Count": 1, "Tasks": [task]}
    return {"ID": name, "Datacenters": ["nyc3"], "TaskGroups": [group], **fields}


def test_job_that_cannot_be_placed_fails_with_the_reason(rig: Rig) -> None:
    _declare(rig, _job("docker", "docker", {"image": "nginx"}, Type="service"))
    plain = rig.pulumi("up", "--yes")
    assert plain.code != 0
    reason = "0 of 1 instances are healthy: no room for group docker: constraint missing drivers"
    assert reason in plain.output, plain.output[-3000:]
    again = rig.deploy("up", "--yes")
    assert again.code == 1 and reason in again.output, again.output[-3000:]


def test_batch_and_periodic_jobs_are_as_declared(rig: Rig) -> None:
    driver = rig.nomad("/v1/job/prober")["TaskGroups"][0]["Tasks"][0]["Driver"]
    _declare(
        rig,
        _job("import", driver, RUN_PYTHON, Type="batch"),
        _job("nightly", driver, RUN_PYTHON, Type="batch", Periodic=NIGHTLY),
    )
    types = {job["name"]: job["type"] for job in rig.up()["serving"]["jobs"]}
    assert types == {
        "backserve": "service",
        "frontserve": "service",
        "import": "batch",
        "nightly": "periodic",
        "prober": "service",
    }
    verified = rig.deploy("verify")
    assert verified.code == 0, verified.output


def test_plain_up_repairs_a_job_whose_deployment_failed(rig: Rig) -> None:
    """Nomad replaces no failed instance of such a deployment, and the program has not changed."""
    count = {"Count": 2, "Target": {"Group": "backserve"}}
    rig.nomad("/v1/job/backserve/scale", "POST", management=True, **count)
    assert wait_for(lambda: _deployment(rig)["Status"] == "running")
    rig.nomad(f"/v1/deployment/fail/{_deployment(rig)['ID']}", "POST", management=True)
    ended = min(_instances(rig, "running").items())

    def has_failed() -> bool:
        """Kill it again: Nomad restarts it once."""
        rig.ssh(ended[1], "pkill -KILL -f local/backserve.py[z]")
        return ended[0] in _instances(rig, "failed")

    assert wait_for(has_failed)
    result = rig.pulumi("up", "--yes")
    assert result.code == 0, result.output[-3000:]
    assert "job backserve: 1 of 2 instances are healthy" in result.output
    assert len(_instances(rig, "running")) == 2
    rig.assert_settled()


def _deployment(rig: Rig) -> Any:
    return rig.nomad("/v1/job/backserve/deployment")


def _instances(rig: Rig, status: str) -> dict[str, str]:
    """Return the node of each instance of backserve with this status, by id."""
    return {
        allocation["ID"]: allocation["NodeName"]
        for allocation in rig.nomad("/v1/job/backserve/allocations")
        if allocation["ClientStatus"] == status and allocation["DesiredStatus"] == "run"
    }
