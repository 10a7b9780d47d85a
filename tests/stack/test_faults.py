"""Faults during an update: ``up`` fails with the cause, the URL answers, the next ``up`` works."""

from collections.abc import Iterable
from itertools import repeat

from infra.names import label_of_droplet
from tests.stack.faulty_api import MESSAGE, Fault, faulty_api
from tests.stack.rig import CommandResult, Rig, wait_for
from tests.stack.traffic import Traffic

MAX_ATTEMPTS = 5
"""Of the official API client: one, and four retries."""


def _assert_state_is_true(rig: Rig) -> None:
    result = rig.deploy("preview", "--expect-no-changes")
    assert result.code == 0, result.output[-3000:]


def _assert_recovery(rig: Rig) -> None:
    """Without the fault, the next ``up`` succeeds and its state is true."""
    rig.reset()
    rig.up()
    verified = rig.deploy("verify")
    assert verified.code == 0, verified.output
    _assert_state_is_true(rig)


def _up_with_faults(rig: Rig, faults: Iterable[Fault]) -> tuple[CommandResult, int]:
    """Deploy while creating a droplet meets ``faults``; return their number too."""
    api_url = rig.environment["DIGITALOCEAN_API_URL"]
    with faulty_api(api_url, "POST", "/v2/droplets", faults) as api:
        result = rig.deploy("up", "--yes", DIGITALOCEAN_API_URL=api.url)
    return result, api.fault_count


def test_api_that_rejects_fails_or_limits_requests(rig: Rig) -> None:
    """Each ``up`` continues where the one before it failed."""
    rig.set(workers=5)
    result, faults = _up_with_faults(rig, [Fault(422)])
    assert result.code == 1 and faults == 1
    assert all(text in result.output for text in ("worker05", "422", MESSAGE)), result.output[
        -2000:
    ]
    assert not _exists(rig, "worker05")

    result, faults = _up_with_faults(rig, repeat(Fault(500)))
    assert result.code == 1 and faults == MAX_ATTEMPTS
    assert all(text in result.output for text in ("worker05", "500", MESSAGE)), result.output[
        -2000:
    ]
    assert not _exists(rig, "worker05") and rig.answer()["backserve"]["message"] == "hello"

    result, faults = _up_with_faults(rig, [Fault(429, {"Retry-After": "1"})])
    assert result.code == 0 and faults == 1, result.output[-2000:]
    assert _exists(rig, "worker05")
    _assert_state_is_true(rig)


def _exists(rig: Rig, slot: str) -> bool:
    """Return whether the slot has a machine, of whatever generation."""
    return slot in map(label_of_droplet, rig.droplets())


def test_artifact_with_a_wrong_checksum_is_not_run(rig: Rig) -> None:
    """The stored file changes after the check of the upload, before a worker downloads it."""
    check = rig.directory / "infra/artifacts/public_object.py"
    request = "    response = requests.head("
    assert request in check.read_text()
    check.write_text(check.read_text().replace(request, f'    return ""\n{request}'))
    main = rig.directory / "services/backserve/main.py"
    main.write_text(main.read_text() + "\n# changed\n")
    uploaded = rig.pulumi("up", "--yes", "--target", "**artifacts-backserve")
    assert uploaded.code == 0, uploaded.output[-3000:]
    _replace_newest_object(rig, "backserve/")
    before = rig.nomad("/v1/job/backserve")["Version"]
    with Traffic(rig.outputs["url"]) as traffic:
        result = rig.deploy("up", "--yes")
    assert result.code == 1
    assert "backserve" in result.output and "checksum" in result.output, result.output[-3000:]
    traffic.assert_no_failures()
    assert rig.nomad("/v1/job/backserve")["Version"] > before + 1, "Nomad did not revert the job"
    assert wait_for(lambda: rig.nomad("/v1/job/backserve/deployment")["Status"] == "successful")
    _assert_recovery(rig)


def _replace_newest_object(rig: Rig, prefix: str) -> None:
    """Replace the content of the newest object; it stays public."""
    spaces = rig.spaces()
    # The other bucket has the same name with a suffix.
    bucket = min(bucket["Name"] for bucket in spaces.list_buckets()["Buckets"])
    newest = max(
        spaces.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"],
        key=lambda stored: stored["LastModified"],
    )
    spaces.put_object(Bucket=bucket, Key=newest["Key"], Body=b"something else", ACL="public-read")


def test_job_that_fits_on_no_worker_is_rejected_at_once(rig: Rig) -> None:
    """It asks for more CPU than any worker has, so ``up`` does not wait for a placement."""
    file = rig.directory / "jobs/services.py"
    original = file.read_text()
    changed = original.replace(
        'source="backserve",', 'source="backserve", resources=Resources(cpu=50_000, memory=100),'
    )
    assert "Resources(cpu=50_000" in changed, original
    file.write_text(changed)
    with Traffic(rig.outputs["url"]) as traffic:
        result = rig.deploy("up", "--yes")
    assert result.code == 1
    assert "backserve" in result.output and "cpu" in result.output.lower(), result.output[-3000:]
    traffic.assert_no_failures()
    assert traffic.messages == {"hello"}
    _assert_recovery(rig)
