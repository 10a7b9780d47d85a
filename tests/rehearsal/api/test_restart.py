"""A killed API has its droplets after a restart, and finishes its actions."""

import signal
import subprocess
import sys

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.support.client import running, until
from tests.rehearsal.support.machines import HeldMachines
from tests.rehearsal.support.served import ROOT, assign_free_port, serve_command

BODY = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}


def test_nothing_acknowledged_is_lost(config: CloudConfig) -> None:
    config = assign_free_port(config)
    names = [f"one{number}" for number in range(12)]
    acknowledged: dict[int, str] = {}
    for start in range(0, len(names), 4):
        with serve_command(config) as (process, api):
            for name in names[start : start + 4]:
                droplet = api(
                    "POST", "/v2/droplets", BODY | {"name": name, "tags": [f"t-{name}"]}, 202
                )["droplet"]
                acknowledged[droplet["id"]] = name
            process.send_signal(signal.SIGKILL)
            process.wait()
    with serve_command(config) as (_, api):
        droplets = [api.wait_until_unlocked(id) for id in acknowledged]
        assert {droplet["id"]: droplet["name"] for droplet in droplets} == acknowledged
        assert {droplet["status"] for droplet in droplets} == {"active"}
        assert len(
            {network["ip_address"] for droplet in droplets for network in droplet["networks"]["v4"]}
        ) == 2 * len(names)
        assert api("GET", "/v2/tags")["meta"]["total"] == len(names)


def test_actions_in_progress_are_finished_after_a_restart(config: CloudConfig) -> None:
    with running(config, HeldMachines(config)) as api:
        created = api("POST", "/v2/droplets", BODY | {"name": "one"}, 202)
    with running(config, MemoryMachines(config)) as api:
        assert api.wait_for_action(created["links"]["actions"][0]["id"])["status"] == "completed"
        assert api.wait_until_unlocked(created["droplet"]["id"])["status"] == "active"


def test_droplets_have_the_same_power_state_after_a_restart(config: CloudConfig) -> None:
    with running(config, MemoryMachines(config)) as api:
        on, off = api.droplet("on")["id"], api.droplet("off")["id"]
        api.run_action(off, type="power_off")
    machines = MemoryMachines(config)
    with running(config, machines) as api:
        until(lambda: on in machines.on)
        assert off not in machines.on
        assert api.wait_until_unlocked(off)["status"] == "off"
        assert api.run_action(off, type="power_on")["status"] == "completed"


def test_a_second_process_cannot_serve_the_same_cloud(config: CloudConfig) -> None:
    config = assign_free_port(config)
    with serve_command(config):
        command = [sys.executable, "-m", "rehearsal", "serve", "--cloud", config.name]
        second = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )
    assert second.returncode == 1
    assert "in use" in second.stderr


def test_an_unknown_cloud(config: CloudConfig) -> None:
    command = [sys.executable, "-m", "rehearsal", "serve", "--cloud", "nowhere"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (result.returncode, result.stderr) == (
        2,
        "there is no cloud nowhere: bring it up with `make cloud` or `make rehearse`\n",
    )
