"""The stack as it stands: who is in it, who finds whom, and what answers."""

import json
import re
from pathlib import Path

import pytest

from tests.stack.rig import Rig, eventually

MACHINES = {"prime01nyc3", "worker01nyc3", "worker02nyc3", "worker03nyc3", "worker04nyc3"}


def test_every_machine_is_a_member(deployed: Rig) -> None:
    assert {
        member["Name"] for member in deployed.consul("/v1/agent/members") if member["Status"] == 1
    } == MACHINES
    workers = {node["Name"] for node in deployed.nomad("/v1/nodes") if node["Status"] == "ready"}
    assert workers == MACHINES - {"prime01nyc3"}
    assert set(deployed.outputs["members"]) == MACHINES


@pytest.mark.parametrize("port", ["53", "8600"])
def test_a_worker_finds_nodes_and_services_by_name(deployed: Rig, port: str) -> None:
    node = _dig(deployed, "worker02nyc3.node.consul", "A", port)
    assert node == [deployed.address("worker02nyc3", "private")]
    instances = {allocation["ID"] for allocation in _running(deployed, "backserve")}
    assert len(_dig(deployed, "backserve.service.consul", "SRV", port)) == len(instances) == 2


def _dig(rig: Rig, name: str, kind: str, port: str) -> list[str]:
    """What the agent of worker01 answers; dig runs on this machine, inside the worker's network."""
    namespace = f"slip-{rig.name}-d{rig.droplets()['worker01nyc3']['id']}"
    done = rig.run(
        "ip",
        "netns",
        "exec",
        namespace,
        "dig",
        "+short",
        "+time=2",
        "+tries=2",
        "@127.0.0.1",
        "-p",
        port,
        name,
        kind,
    )
    assert done.code == 0, done.said
    return done.out.split("\n")[:-1]


def _running(rig: Rig, job: str) -> list[dict[str, str]]:
    return [
        one
        for one in rig.nomad(f"/v1/job/{job}/allocations")
        if one["ClientStatus"] == "running" and one["DesiredStatus"] == "run"
    ]


def test_the_url_answers_from_every_backserve(deployed: Rig) -> None:
    seen = {answer["backserve"]["instance"] for answer in deployed.answers(40)}
    assert seen == {allocation["ID"][:8] for allocation in _running(deployed, "backserve")}


def test_a_stopped_instance_leaves_dns_and_is_replaced(deployed: Rig) -> None:
    before = {one["ID"] for one in _running(deployed, "backserve")}
    stopped = sorted(before)[0]
    deployed.nomad(f"/v1/allocation/{stopped}/stop", "POST")

    def known() -> set[str]:
        entries = deployed.consul("/v1/health/service/backserve?passing")
        return {entry["Service"]["ID"] for entry in entries}

    assert eventually(lambda: not any(stopped in service for service in known()))
    assert eventually(lambda: len(_dig(deployed, "backserve.service.consul", "SRV", "53")) == 2)
    after = {one["ID"] for one in _running(deployed, "backserve")}
    assert stopped not in after and len(after) == 2


def test_the_edge_is_probed_and_passes(deployed: Rig) -> None:
    def statuses() -> set[str]:
        return {check["Status"] for check in deployed.consul("/v1/health/checks/edge")}

    assert eventually(lambda: statuses() == {"passing"}), statuses()


@pytest.mark.parametrize("name", ["prime01nyc3", "worker01nyc3"])
def test_a_machine_has_the_memory_and_processors_of_its_size(deployed: Rig, name: str) -> None:
    size = deployed.droplets()[name]["size"]
    told = deployed.ssh(
        name,
        "grep MemTotal /proc/meminfo | tr -dc 0-9; echo; nproc; free -m | awk '/Mem:/ {print $2}'",
    ).out.split()
    assert int(told[0]) == size["memory"] * 1024
    assert int(told[1]) == size["vcpus"]
    assert int(told[2]) == size["memory"]


def test_nomad_offers_what_the_size_has(deployed: Rig) -> None:
    size = deployed.droplets()["worker01nyc3"]["size"]
    node = next(
        one for one in deployed.nomad("/v1/nodes?resources=true") if one["Name"] == "worker01nyc3"
    )
    assert node["NodeResources"]["Memory"]["MemoryMB"] == size["memory"]
    whole = deployed.nomad(f"/v1/node/{node['ID']}")
    assert whole["Attributes"]["cpu.numcores"] == str(size["vcpus"])


def test_memory_is_enforced(deployed: Rig) -> None:
    """A program that takes more than the machine has is killed, and the machine lives on."""
    done = deployed.ssh("worker01nyc3", "python3 -c 'x = bytearray(1500 << 20); print(len(x))'")
    assert done.code != 0 and str(1500 << 20) not in done.out
    assert deployed.ssh("worker01nyc3", "echo alive").out == "alive\n"


def test_a_port_without_a_rule_is_closed(deployed: Rig) -> None:
    """From this machine and from another droplet; the same listener answers where a rule is."""
    server = "systemd-run --quiet --unit=listener-{0} python3 -m http.server {0}"
    assert deployed.ssh("worker02nyc3", server.format(9999)).code == 0
    assert (
        deployed.ssh("worker02nyc3", server.format(25000)).code == 0
    )  # among Nomad's dynamic ports
    try:
        private = deployed.address("worker02nyc3", "private")
        probe = "curl --silent --output /dev/null --max-time 3 http://{}:{}/"
        assert eventually(
            lambda: deployed.ssh("worker01nyc3", probe.format(private, 25000)).code == 0
        )
        assert (
            deployed.ssh("worker01nyc3", probe.format(private, 9999)).code == 28
        )  # curl: timed out
        assert (
            deployed.run(
                "curl", "-s", "-m", "3", f"http://{deployed.address('worker02nyc3')}:9999/"
            ).code
            == 28
        )
        assert (
            deployed.run(
                "curl", "-s", "-m", "3", f"http://{deployed.address('worker02nyc3')}:8085/"
            ).code
            == 28
        )
    finally:
        deployed.ssh("worker02nyc3", "systemctl stop listener-9999 listener-25000")


def test_plain_pulumi_sees_nothing_to_do(deployed: Rig) -> None:
    """In the shell of `make env`, and with what is really there read anew."""
    settings = (deployed.directory / "Pulumi.dev.yaml").read_bytes()
    pulumi = "pulumi preview --stack dev --expect-no-changes --non-interactive"
    done = deployed.shell(f'eval "$(make -s env CLOUD={deployed.name})" && {pulumi}')
    assert done.code == 0, done.said[-3000:]
    done = deployed.pulumi("up", "--yes", "--refresh", "--expect-no-changes")
    assert done.code == 0, done.said[-3000:]
    assert (deployed.directory / "Pulumi.dev.yaml").read_bytes() == settings


def test_the_second_up_changes_nothing(deployed: Rig) -> None:
    assert deployed.up()["changes"] == []


def test_verify_and_status_see_it_whole(deployed: Rig) -> None:
    assert deployed.deploy("verify").code == 0
    status = json.loads(deployed.deploy("status", "--json").out)
    assert {droplet["name"] for droplet in status["droplets"]} == MACHINES


def test_no_secret_is_said(deployed: Rig) -> None:
    """Neither by what changes the stack and what looks at it, nor by its state."""
    secrets = deployed.secrets
    assert len(secrets) > 2 + 2 * len(MACHINES)
    said = {
        verb[0]: deployed.deploy(*verb).said
        for verb in (
            ("preview",),
            ("up", "--json"),
            ("drift",),
            ("verify",),
            ("status", "--json"),
            ("logs", "prober"),
        )
    }
    said["state"], said["outputs"] = (
        deployed.pulumi("stack", "export").said,
        deployed.pulumi("stack", "output", "--json").said,
    )
    assert [what for what, text in said.items() if any(secret in text for secret in secrets)] == []


def test_the_clients_of_consul_and_nomad_work_in_the_stacks_shell(deployed: Rig) -> None:
    """And nothing of it stays behind."""
    members = deployed.deploy("shell", "--", "consul", "members").out
    assert set(re.findall(r"^(\w+) +\S+ +alive ", members, re.MULTILINE)) == MACHINES
    jobs = deployed.deploy("shell", "--", "nomad", "job", "status")
    assert jobs.code == 0 and "backserve" in jobs.out, jobs.err
    refused = deployed.deploy("shell", "--", "consul", "kv", "get", "anything")
    assert refused.code == 1 and "403" in refused.err
    assert list(Path("/dev/shm").glob("slipway-*")) == []


def test_an_administrator_gets_in_by_the_droplets_name(deployed: Rig) -> None:
    assert deployed.deploy("ssh", "worker01nyc3", "whoami").out == "ops\n"
    assert deployed.deploy("ssh", "worker01nyc3", "sudo", "whoami").out == "root\n"
    journal = deployed.deploy("logs", "worker01nyc3", "--lines", "20")
    assert journal.code == 0 and "worker01nyc3" in journal.out, journal.err
