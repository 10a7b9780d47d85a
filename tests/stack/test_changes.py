"""Changes to a running stack: the URL answers afterwards, and only what must change does."""

from typing import Any

import pytest

from tests.stack.command_lines import CommandLineRecorder
from tests.stack.rig import Rig, wait_for
from tests.stack.traffic import Traffic

REBOOT_TIMEOUT_S = 120
REVERT_TIMEOUT_S = 120
NANOSECONDS = 1_000_000_000
"""In a second."""
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def _ids(rig: Rig) -> dict[str, int]:
    return {name: droplet["id"] for name, droplet in rig.droplets().items()}


def _changes(result: Any) -> set[tuple[str, str]]:
    """Return action and resource name of each change."""
    return {(change["action"], change["name"]) for change in result["changes"]}


@pytest.mark.parametrize("name", ["worker01nyc3", "prime01nyc3"])
def test_reboot_keeps_certificates_keys_and_tokens(rig: Rig, name: str) -> None:
    """The metadata service stays closed, and no update is needed."""
    boot = rig.ssh(name, BOOT_ID).stdout

    def has_rebooted() -> bool:
        current = rig.ssh(name, BOOT_ID)
        return current.code == 0 and current.stdout != boot

    rig.api(f"/v2/droplets/{rig.droplets()[name]['id']}/actions", "POST", type="reboot")
    assert wait_for(has_rebooted, REBOOT_TIMEOUT_S)
    assert wait_for(lambda: rig.deploy("verify").code == 0, REBOOT_TIMEOUT_S)
    metadata = "curl --silent --max-time 3 http://169.254.169.254/metadata/v1/id"
    assert rig.ssh(name, metadata).code != 0
    rig.assert_settled()


def test_adding_a_worker_replaces_nothing(rig: Rig) -> None:
    """No command line contains a secret meanwhile."""
    before = _ids(rig)
    rig.set(workers=5)
    with CommandLineRecorder() as command_lines:
        changes = _changes(rig.up())
    assert command_lines.programs_with(rig.secrets) == []
    after = _ids(rig)
    assert after.items() - before.items() == {("worker05nyc3", after["worker05nyc3"])}
    assert before.items() <= after.items()
    assert not {name for action, name in changes if action == "replaced"}


def test_changed_backserve_is_deployed_without_a_failed_request(rig: Rig) -> None:
    rig.set(greeting="good evening")

    def messages() -> set[str]:
        return {answer["backserve"]["message"] for answer in rig.answers(8)}

    with Traffic(rig.outputs["url"]) as traffic:
        rig.up()
        assert wait_for(lambda: messages() == {"good evening"})
    assert {"hello", "good evening"} <= traffic.messages
    traffic.assert_no_failures()


def test_unhealthy_release_is_reverted(rig: Rig) -> None:
    """``up`` fails and names the check, while the former release answers."""
    version = rig.nomad("/v1/job/backserve")["Version"]
    rig.set(greeting="")
    with Traffic(rig.outputs["url"]) as traffic:
        result = rig.deploy("up", "--yes")
    assert result.code == 1
    assert "backserve live" in result.output, result.output[-3000:]
    traffic.assert_no_failures()
    assert traffic.messages == {"hello"}
    job = rig.nomad("/v1/job/backserve")
    assert job["Version"] > version + 1, "Nomad did not revert the job"
    [failed] = [
        deployment
        for deployment in rig.nomad("/v1/job/backserve/deployments")
        if deployment["JobVersion"] == version + 1
    ]
    assert failed["ModifyTime"] - failed["CreateTime"] < REVERT_TIMEOUT_S * NANOSECONDS
    assert wait_for(lambda: rig.nomad("/v1/job/backserve/deployment")["Status"] == "successful")


def test_changed_service_code_touches_only_that_service(rig: Rig) -> None:
    before = rig.answer()["version"]
    main = rig.directory / "services/frontserve/main.py"
    main.write_text(main.read_text() + "\n# changed\n")
    with Traffic(rig.outputs["url"]) as traffic:
        changes = _changes(rig.up())
    assert rig.answer()["version"] != before
    assert {name for _, name in changes} <= {
        "frontserve",
        "artifacts-frontserve",
        "artifacts-frontserve-public",
        "jobs",
    }
    traffic.assert_no_failures()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 2}, "workers"),
        ({"region": "mars1"}, "mars1"),
        ({"primes": 2}, "primes"),
        ({"wrokers": 5}, "wrokers"),
        ({"vpc_cidr": "8.8.8.0/24"}, "vpc_cidr"),
        ({"worker_size": "s-9vcpu-9gb"}, "s-9vcpu-9gb"),
    ],
)
def test_invalid_setting_is_reported_before_any_change(
    rig: Rig, settings: dict[str, object], message: str
) -> None:
    before = _ids(rig)
    rig.set(**settings)
    result = rig.deploy("up", "--yes")
    assert result.code == 2 and message in result.output, result.output[-2000:]
    assert _ids(rig) == before
    rig.reset()
    rig.is_settled = True


@pytest.mark.parametrize(
    ("variable", "message"),
    [("DIGITALOCEAN_TOKEN", "401"), ("SPACES_SECRET_ACCESS_KEY", "SignatureDoesNotMatch")],
)
def test_invalid_credential_is_reported(rig: Rig, variable: str, message: str) -> None:
    rig.set(workers=5)
    main = rig.directory / "services/backserve/main.py"
    main.write_text(main.read_text() + "\n# changed\n")
    result = rig.deploy("up", "--yes", **{variable: "wrong"})
    assert result.code != 0 and message in result.output, result.output[-2000:]
