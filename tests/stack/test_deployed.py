"""The deployed stack, unchanged: members, name resolution, services, limits and commands."""

import json
import re
from pathlib import Path

import pytest

from tests.stack.rig import Rig, wait_for

MACHINES = {"prime01nyc3", "worker01nyc3", "worker02nyc3", "worker03nyc3", "worker04nyc3"}
CURL_TIMED_OUT = 28
CLOSED_PORT = 9999
"""No firewall rule opens it."""
FIRST_DYNAMIC_PORT = 20000
"""Open between workers."""


def test_every_machine_is_a_member(deployed: Rig) -> None:
    assert {
        member["Name"] for member in deployed.consul("/v1/agent/members") if member["Status"] == 1
    } == MACHINES
    workers = {node["Name"] for node in deployed.nomad("/v1/nodes") if node["Status"] == "ready"}
    assert workers == MACHINES - {"prime01nyc3"}
    assert set(deployed.outputs["members"]) == MACHINES


@pytest.mark.parametrize("port", ["53", "8600"])
def test_worker_resolves_nodes_and_services(deployed: Rig, port: str) -> None:
    node = _resolve(deployed, "worker02nyc3.node.consul", "A", port)
    assert node == [deployed.address("worker02nyc3", "private")]
    instances = {allocation["ID"] for allocation in _running(deployed, "backserve")}
    records = _resolve(deployed, "backserve.service.consul", "SRV", port)
    assert len(records) == len(instances) == 2


def _resolve(rig: Rig, name: str, record_type: str, port: str) -> list[str]:
    """Query the agent of worker01 with this machine's dig, in the worker's network namespace."""
    namespace = f"slip-{rig.name}-d{rig.droplets()['worker01nyc3']['id']}"
    result = rig.run(
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
        record_type,
    )
    assert result.code == 0, result.output
    return result.stdout.split("\n")[:-1]


def _running(rig: Rig, job: str) -> list[dict[str, str]]:
    return [
        allocation
        for allocation in rig.nomad(f"/v1/job/{job}/allocations")
        if allocation["ClientStatus"] == "running" and allocation["DesiredStatus"] == "run"
    ]


def test_url_answers_from_every_backserve(deployed: Rig) -> None:
    instances = {allocation["ID"][:8] for allocation in _running(deployed, "backserve")}
    seen: set[str] = set()

    def all_have_answered() -> bool:
        seen.update(answer["backserve"]["instance"] for answer in deployed.answers(8))
        return seen >= instances

    assert wait_for(all_have_answered), f"{seen} of {instances}"
    assert seen == instances


def test_stopped_instance_leaves_dns_and_is_replaced(deployed: Rig) -> None:
    before = {allocation["ID"] for allocation in _running(deployed, "backserve")}
    stopped = min(before)
    deployed.nomad(f"/v1/allocation/{stopped}/stop", "POST")

    def passing() -> set[str]:
        entries = deployed.consul("/v1/health/service/backserve?passing")
        return {entry["Service"]["ID"] for entry in entries}

    def replacements() -> set[str]:
        return {allocation["ID"] for allocation in _running(deployed, "backserve")} - {stopped}

    assert wait_for(lambda: not any(stopped in service for service in passing()))
    assert wait_for(lambda: len(replacements()) == 2)
    assert wait_for(lambda: len(_resolve(deployed, "backserve.service.consul", "SRV", "53")) == 2)
    assert stopped not in {allocation["ID"] for allocation in _running(deployed, "backserve")}


def test_edge_check_passes(deployed: Rig) -> None:
    def statuses() -> set[str]:
        return {check["Status"] for check in deployed.consul("/v1/health/checks/edge")}

    assert wait_for(lambda: statuses() == {"passing"}), statuses()


@pytest.mark.parametrize("name", ["prime01nyc3", "worker01nyc3"])
def test_machine_has_memory_and_cpus_of_its_size(deployed: Rig, name: str) -> None:
    size = deployed.droplets()[name]["size"]
    memory_kb, cpus, memory_mb = deployed.ssh(
        name,
        "grep MemTotal /proc/meminfo | tr -dc 0-9; echo; nproc; free -m | awk '/Mem:/ {print $2}'",
    ).stdout.split()
    assert int(memory_kb) == size["memory"] * 1024
    assert int(cpus) == size["vcpus"]
    assert int(memory_mb) == size["memory"]


def test_nomad_offers_the_resources_of_the_size(deployed: Rig) -> None:
    size = deployed.droplets()["worker01nyc3"]["size"]
    node = next(
        node
        for node in deployed.nomad("/v1/nodes?resources=true")
        if node["Name"] == "worker01nyc3" and node["Status"] == "ready"
    )
    assert node["NodeResources"]["Memory"]["MemoryMB"] == size["memory"]
    details = deployed.nomad(f"/v1/node/{node['ID']}")
    assert details["Attributes"]["cpu.numcores"] == str(size["vcpus"])


def test_memory_limit_is_enforced(deployed: Rig) -> None:
    """A process that exceeds the machine's memory is killed; the machine keeps running."""
    result = deployed.ssh("worker01nyc3", "python3 -c 'x = bytearray(1500 << 20); print(len(x))'")
    assert result.code != 0 and str(1500 << 20) not in result.stdout
    assert deployed.ssh("worker01nyc3", "echo alive").stdout == "alive\n"


def test_port_without_a_firewall_rule_is_closed(deployed: Rig) -> None:
    """Neither this machine nor another droplet reaches it; a listener on an open port answers."""
    open_port = _free_dynamic_port(deployed, "worker02nyc3")
    units = [f"listener-{port}" for port in (CLOSED_PORT, open_port)]
    curl = "curl --silent --output /dev/null --max-time 3 http://{}:{}/"
    private, public = deployed.address("worker02nyc3", "private"), deployed.address("worker02nyc3")
    try:
        for unit, port in zip(units, (CLOSED_PORT, open_port), strict=True):
            start = f"systemd-run --quiet --unit={unit} python3 -m http.server {port}"
            assert deployed.ssh("worker02nyc3", start).code == 0
            local = curl.format("127.0.0.1", port)
            assert wait_for(lambda: deployed.ssh("worker02nyc3", local).code == 0)  # noqa: B023
        assert deployed.ssh("worker01nyc3", curl.format(private, open_port)).code == 0
        closed = deployed.ssh("worker01nyc3", curl.format(private, CLOSED_PORT))
        assert closed.code == CURL_TIMED_OUT
        for port in (CLOSED_PORT, 8085):
            assert deployed.run(*curl.format(public, port).split()).code == CURL_TIMED_OUT
    finally:
        deployed.ssh("worker02nyc3", f"systemctl stop {' '.join(units)}")


def _free_dynamic_port(rig: Rig, name: str) -> int:
    """Return the first port of Nomad's range on which nothing listens there."""
    listening = rig.ssh(name, "ss --no-header --listening --tcp --numeric").stdout
    used = {int(port) for port in re.findall(r":(\d+) ", listening)}
    return next(port for port in range(FIRST_DYNAMIC_PORT, 32000) if port not in used)


def test_plain_pulumi_has_nothing_to_do(deployed: Rig) -> None:
    """In the shell of `make env`, also after a refresh."""
    settings = (deployed.directory / "Pulumi.dev.yaml").read_bytes()
    pulumi = "pulumi preview --stack dev --expect-no-changes --non-interactive"
    result = deployed.shell(f'eval "$(make -s env CLOUD={deployed.name})" && {pulumi}')
    assert result.code == 0, result.output[-3000:]
    result = deployed.pulumi("up", "--yes", "--refresh", "--expect-no-changes", "--diff")
    assert result.code == 0, result.output
    assert (deployed.directory / "Pulumi.dev.yaml").read_bytes() == settings


def test_second_up_changes_nothing(deployed: Rig) -> None:
    assert deployed.up()["changes"] == []


def test_verify_and_status_report_a_complete_stack(deployed: Rig) -> None:
    assert deployed.deploy("verify").code == 0
    status = json.loads(deployed.deploy("status", "--json").stdout)
    assert {droplet["name"] for droplet in status["droplets"]} == MACHINES


def test_no_command_prints_a_secret(deployed: Rig) -> None:
    """Neither the commands of deploy nor the exported state."""
    secrets = deployed.secrets
    assert len(secrets) > 2 + 2 * len(MACHINES)
    outputs = {
        command[0]: deployed.deploy(*command).output
        for command in (
            ("preview",),
            ("up", "--yes", "--json"),
            ("drift",),
            ("verify",),
            ("status", "--json"),
            ("logs", "prober"),
        )
    }
    outputs["state"] = deployed.pulumi("stack", "export").output
    outputs["outputs"] = deployed.pulumi("stack", "output", "--json").output
    assert [
        name for name, text in outputs.items() if any(secret in text for secret in secrets)
    ] == []


def test_consul_and_nomad_clients_work_in_deploy_shell(deployed: Rig) -> None:
    """The shell leaves no file behind."""
    members = deployed.deploy("shell", "--", "consul", "members").stdout
    assert set(re.findall(r"^(\w+) +\S+ +alive ", members, re.MULTILINE)) == MACHINES
    jobs = deployed.deploy("shell", "--", "nomad", "job", "status")
    assert jobs.code == 0 and "backserve" in jobs.stdout, jobs.stderr
    denied = deployed.deploy("shell", "--", "consul", "kv", "get", "anything")
    assert denied.code == 1 and "403" in denied.stderr
    assert list(Path("/dev/shm").glob("slipway-*")) == []


def test_administrator_logs_in_by_droplet_name(deployed: Rig) -> None:
    assert deployed.deploy("ssh", "worker01nyc3", "whoami").stdout == "ops\n"
    assert deployed.deploy("ssh", "worker01nyc3", "sudo", "whoami").stdout == "root\n"
    journal = deployed.deploy("logs", "worker01nyc3", "--lines", "20")
    assert journal.code == 0 and "worker01nyc3" in journal.stdout, journal.stderr
