"""Changes to a running stack: each ends with a URL that answers, and touches what it must and no more."""

from typing import Any

import pytest

from tests.stack.command_lines import CommandLines
from tests.stack.rig import Rig, eventually
from tests.stack.traffic import Traffic


def _ids(rig: Rig) -> dict[str, int]:
    return {name: droplet["id"] for name, droplet in rig.droplets().items()}


def _by_action(result: Any) -> set[tuple[str, str]]:
    return {(change["action"], change["name"]) for change in result["changes"]}


@pytest.mark.parametrize("name", ["worker01nyc3", "prime01nyc3"])
def test_a_machine_that_reboots_is_what_it_was(rig: Rig, name: str) -> None:
    """By itself: its certificate, keys and tokens are on its disk, and the metadata service stays shut."""
    boot = rig.ssh(name, "cat /proc/sys/kernel/random/boot_id").out
    rig.api(f"/v2/droplets/{rig.droplets()[name]['id']}/actions", "POST", type="reboot")
    assert eventually(
        lambda: (
            (now := rig.ssh(name, "cat /proc/sys/kernel/random/boot_id")).code == 0
            and now.out != boot
        ),
        120,
    )
    assert eventually(lambda: rig.deploy("verify").code == 0, 120)
    assert (
        rig.ssh(name, "curl --silent --max-time 3 http://169.254.169.254/metadata/v1/id").code != 0
    )
    assert rig.up()["changes"] == []


def test_one_more_worker_adds_one_and_replaces_none(rig: Rig) -> None:
    """Nor does any process name a secret meanwhile, where every user of the machine could read it."""
    before = _ids(rig)
    rig.set(workers=5)
    with CommandLines() as seen:
        changed = _by_action(rig.up())
    assert seen.naming(rig.secrets) == []
    after = _ids(rig)
    assert after.items() - before.items() == {("worker05nyc3", after["worker05nyc3"])}
    assert before.items() <= after.items()
    assert not {name for action, name in changed if action == "replaced"}


def test_a_changed_backserve_comes_by_canary_without_a_failed_request(rig: Rig) -> None:
    rig.set(greeting="good evening")
    with Traffic(rig.outputs["url"]) as traffic:
        rig.up()
        assert eventually(
            lambda: (
                {answer["backserve"]["message"] for answer in rig.answers(8)} == {"good evening"}
            )
        )
    assert {"hello", "good evening"} <= traffic.messages
    assert traffic.failures == [], f"{len(traffic.failures)} of {traffic.asked}"


def test_a_release_that_is_never_healthy_is_reverted(rig: Rig) -> None:
    """``up`` fails and names the check; all the while the former release answers."""
    version = rig.nomad("/v1/job/backserve")["Version"]
    rig.set(greeting="")
    with Traffic(rig.outputs["url"]) as traffic:
        done = rig.deploy("up")
    assert done.code == 1
    assert "backserve health" in done.said, done.said[-3000:]
    assert traffic.failures == [], f"{len(traffic.failures)} of {traffic.asked}"
    assert traffic.messages == {"hello"}
    job = rig.nomad("/v1/job/backserve")
    assert job["Version"] > version + 1, "no reverting version"
    assert eventually(lambda: rig.nomad("/v1/job/backserve/deployment")["Status"] == "successful")


def test_the_code_of_a_service_is_changed(rig: Rig) -> None:
    """A new artifact under a new name, deployed; nothing but that service is touched."""
    before = rig.answer()["version"]
    main = rig.directory / "services/frontserve/main.py"
    main.write_text(main.read_text() + "\n# changed\n")
    with Traffic(rig.outputs["url"]) as traffic:
        changed = _by_action(rig.up())
    assert rig.answer()["version"] != before
    assert {name for _, name in changed} <= {"frontserve", "artifacts-frontserve"}
    assert traffic.failures == [], f"{len(traffic.failures)} of {traffic.asked}"


def test_the_only_prime_is_replaced(rig: Rig) -> None:
    """What lived in the cluster is made again; no other droplet is replaced."""
    before = _ids(rig)
    urn = next(
        line.split()[-1]
        for line in rig.pulumi("stack", "--show-urns").out.splitlines()
        if "::prime01" in line
    )
    done = rig.pulumi("up", "--yes", "--replace", urn)
    assert done.code == 0, done.said[-4000:]
    after = _ids(rig)
    assert {name for name in before if before[name] != after[name]} == {"prime01nyc3"}
    assert rig.deploy("verify").code == 0
    assert rig.up()["changes"] == []


def test_the_stack_moves_to_another_region(rig: Rig) -> None:
    """Its image is transferred, not rebuilt."""
    before = rig.outputs["image"]
    rig.set(region="ams3")
    rig.up()
    assert rig.outputs["image"] == before
    [image] = rig.api("/v2/images?private=true")["images"]
    assert image["name"] == before and {"nyc3", "ams3"} <= set(image["regions"])
    assert set(rig.droplets()) == {
        "prime01ams3",
        "worker01ams3",
        "worker02ams3",
        "worker03ams3",
        "worker04ams3",
    }
    assert rig.deploy("verify").code == 0
    assert rig.answer()["node"].endswith("ams3")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"workers": 2}, "workers"),
        ({"region": "mars1"}, "mars1"),
        ({"primes": 2}, "primes"),
        ({"wrokers": 5}, "wrokers"),
        ({"vpc_cidr": "8.8.8.0/24"}, "vpc_cidr"),
        ({"worker_size": "s-9vcpu-9gb"}, "s-9vcpu-9gb"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_touched(
    rig: Rig, settings: dict[str, object], told: str
) -> None:
    before = _ids(rig)
    rig.set(**settings)
    done = rig.deploy("up")
    assert done.code == 2 and told in done.said, done.said[-2000:]
    assert _ids(rig) == before


@pytest.mark.parametrize(
    ("variable", "told"),
    [("DIGITALOCEAN_TOKEN", "401"), ("SPACES_SECRET_ACCESS_KEY", "SignatureDoesNotMatch")],
)
def test_a_wrong_key_is_named(rig: Rig, variable: str, told: str) -> None:
    rig.set(workers=5)
    main = rig.directory / "services/backserve/main.py"
    main.write_text(main.read_text() + "\n# changed\n")
    done = rig.deploy("up", **{variable: "wrong"})
    assert done.code != 0 and told in done.said, done.said[-2000:]
