"""What goes wrong on the way: `up` fails and names the cause, the stack still answers, and the next `up` goes on."""

from collections.abc import Iterable
from itertools import repeat

import boto3
from botocore.config import Config

from tests.stack.faulty_api import MESSAGE, Fault, faulty
from tests.stack.rig import Done, Rig, eventually
from tests.stack.traffic import Traffic

TRIES = 5
"""How often a client of the API asks before it gives up: once, and the official client's four more."""


def _state_is_true(rig: Rig) -> None:
    done = rig.deploy("preview", "--expect-no-changes")
    assert done.code == 0, done.said[-3000:]


def _goes_on(rig: Rig) -> None:
    """With the fault gone, the next `up` succeeds, and what it wrote down is what is there."""
    rig.reset()
    rig.up()
    verified = rig.deploy("verify")
    assert verified.code == 0, verified.said
    _state_is_true(rig)


def _up_with(rig: Rig, faults: Iterable[Fault]) -> tuple[Done, int]:
    """An `up` in which asking for a droplet meets ``faults``; how many it met besides."""
    with faulty(rig.environment["DIGITALOCEAN_API_URL"], "POST", "/v2/droplets", faults) as api:
        done = rig.deploy("up", DIGITALOCEAN_API_URL=api.url)
    return done, api.met


def test_an_api_that_refuses_or_breaks_or_is_busy(rig: Rig) -> None:
    """One after another, so that each `up` goes on from where the one before it failed."""
    rig.set(workers=5)
    refused, met = _up_with(rig, [Fault(422)])
    assert refused.code == 1 and met == 1
    assert "worker05" in refused.said and "422" in refused.said and MESSAGE in refused.said, (
        refused.said[-2000:]
    )
    assert "worker05nyc3" not in rig.droplets()

    broken, met = _up_with(rig, repeat(Fault(500)))
    assert broken.code == 1 and met == TRIES
    assert "worker05" in broken.said and "500" in broken.said and MESSAGE in broken.said, (
        broken.said[-2000:]
    )
    assert "worker05nyc3" not in rig.droplets() and rig.answer()["backserve"]["message"] == "hello"

    waited, met = _up_with(rig, [Fault(429, {"Retry-After": "1"})])
    assert waited.code == 0 and met == 1, waited.said[-2000:]
    assert "worker05nyc3" in rig.droplets()
    _state_is_true(rig)


def test_an_artifact_with_the_wrong_checksum_is_not_run(rig: Rig) -> None:
    """The stored file is changed behind the back of who stored it, before a worker fetches it."""
    main = rig.directory / "services/backserve/main.py"
    main.write_text(main.read_text() + "\n# to be spoiled\n")
    stored = rig.pulumi("up", "--yes", "--target", "**artifacts-backserve")
    assert stored.code == 0, stored.said[-3000:]
    _spoil_newest(rig, "backserve/")
    before = rig.nomad("/v1/job/backserve")["Version"]
    with Traffic(rig.outputs["url"]) as traffic:
        done = rig.deploy("up")
    assert done.code == 1
    assert "backserve" in done.said and "checksum" in done.said, done.said[-3000:]
    assert traffic.failures == [], f"{len(traffic.failures)} of {traffic.asked}"
    assert rig.nomad("/v1/job/backserve")["Version"] > before + 1, "no reverting version"
    assert eventually(lambda: rig.nomad("/v1/job/backserve/deployment")["Status"] == "successful")
    _goes_on(rig)


def _spoil_newest(rig: Rig, prefix: str) -> None:
    """Put other bytes in the place of the file stored last, as readable as it was."""
    region = "nyc3"
    spaces = boto3.client(
        "s3",
        region_name=region,
        endpoint_url=rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", region),
        aws_access_key_id=rig.environment["SPACES_ACCESS_KEY_ID"],
        aws_secret_access_key=rig.environment["SPACES_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    [bucket] = [bucket["Name"] for bucket in spaces.list_buckets()["Buckets"]]
    newest = max(
        spaces.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"],
        key=lambda stored: stored["LastModified"],
    )
    spaces.put_object(Bucket=bucket, Key=newest["Key"], Body=b"something else", ACL="public-read")


def test_a_job_that_fits_on_no_worker_is_refused_at_once(rig: Rig) -> None:
    """It asks for more than any machine has: `up` does not wait for a machine that never comes."""
    file = rig.directory / "jobs/services.py"
    declared = file.read_text()
    changed = declared.replace(
        'source="backserve",', 'source="backserve", resources=Resources(cpu=50_000, memory=100),'
    )
    assert "Resources(cpu=50_000" in changed, declared
    file.write_text(changed)
    with Traffic(rig.outputs["url"]) as traffic:
        done = rig.deploy("up")
    assert done.code == 1
    assert "backserve" in done.said and "cpu" in done.said.lower(), done.said[-3000:]
    assert traffic.failures == [] and traffic.messages == {"hello"}
    _goes_on(rig)
