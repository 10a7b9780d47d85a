"""What the agents are told, and what the real ones say of it."""

import json
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import TOOLS, Tool
from tests.images.material import Authority, bundle, gossip_key
from toolchain import tools
from toolchain.versions import pinned_tools

ETC = TOOLS.parents[3] / "etc"
ADDRESS = IPv4Address("10.10.0.7")

Configs = Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture
def configs(tool: Tool) -> Configs:
    """Consul's and Nomad's for a bundle."""

    def render(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        agents, taken = tool("agents"), tool("bundle").parse(json.dumps(told))
        return agents.consul(taken, ADDRESS, ["192.0.2.53"]), agents.nomad(taken, ADDRESS, "eth1")

    return render


@pytest.fixture
def worker(authority: Authority) -> dict[str, Any]:
    return bundle("worker", authority)


@pytest.fixture
def prime(authority: Authority) -> dict[str, Any]:
    return bundle("prime", authority)


def test_a_worker_joins_the_primes_and_keeps_its_agents_to_itself(
    configs: Configs, worker: dict[str, Any]
) -> None:
    worker["primes"] = ["10.10.0.2", "10.10.0.3"]
    consul, nomad = configs(worker)
    assert (
        consul["retry_join"] == ["10.10.0.2", "10.10.0.3"]
        and consul["server"] is False
        and consul["leave_on_terminate"] is True
    )
    assert (
        consul["bind_addr"] == "10.10.0.7"
        and consul["client_addr"] == "127.0.0.1"
        and consul["recursors"] == ["192.0.2.53"]
    )
    assert "addresses" not in consul and "ports" not in consul, (
        "HTTP and DNS are where client_addr says"
    )
    assert "bootstrap_expect" not in consul and "ui_config" not in consul
    assert (
        "server" not in nomad
        and nomad["client"]["enabled"]
        and nomad["client"]["network_interface"] == "eth1"
    )
    assert nomad["client"]["server_join"]["retry_join"] == ["10.10.0.2", "10.10.0.3"]
    assert nomad["client"]["options"] == {"driver.allowlist": "exec"}
    assert nomad["plugin"]["raw_exec"]["config"]["enabled"] is False
    assert set(nomad["advertise"].values()) == {"10.10.0.7"} and nomad["addresses"] == {
        "http": "127.0.0.1"
    }


def test_no_agent_holds_more_than_its_own(configs: Configs, worker: dict[str, Any]) -> None:
    consul, nomad = configs(worker)
    own = worker["tokens"]["agent"]
    assert consul["acl"]["tokens"] == {
        "agent": own,
        "config_file_service_registration": own,
        "dns": worker["tokens"]["dns"],
    }
    assert consul["encrypt"] == worker["gossip"]["consul"]
    assert nomad["consul"] == {"token": worker["tokens"]["nomad"]}
    assert "encrypt" not in json.dumps(nomad), "a client takes no part in the servers' gossip"
    assert worker["tokens"]["agent"] not in json.dumps(nomad) and worker["tokens"][
        "nomad"
    ] not in json.dumps(consul)


def test_raw_exec_is_the_only_driver_where_it_is_asked_for(
    configs: Configs, worker: dict[str, Any]
) -> None:
    worker["node"]["task_driver"] = "raw_exec"
    _, nomad = configs(worker)
    assert nomad["client"]["options"] == {"driver.allowlist": "raw_exec"}
    assert nomad["plugin"]["raw_exec"]["config"]["enabled"] is True


def test_a_prime_serves_and_takes_no_client_that_was_not_introduced(
    configs: Configs, prime: dict[str, Any]
) -> None:
    consul, nomad = configs(prime)
    assert (
        consul["server"] is True
        and consul["bootstrap_expect"] == 1
        and consul["performance"] == {"raft_multiplier": 1}
    )
    assert (
        consul["addresses"] == {"https": "0.0.0.0"}
        and consul["ports"] == {"https": 8501}
        and consul["client_addr"] == "127.0.0.1"
    )
    assert consul["ui_config"] == {"enabled": True} and consul["leave_on_terminate"] is False
    assert (
        nomad["server"]["enabled"] is True
        and nomad["server"]["encrypt"] == prime["gossip"]["nomad"]
    )
    assert nomad["server"]["client_introduction"] == {"enforcement": "strict"}
    assert nomad["server"]["node_gc_threshold"] == "720h", "a worker that was away is still known"
    assert (
        nomad["addresses"] == {"http": "0.0.0.0", "rpc": "10.10.0.7", "serf": "10.10.0.7"}
        and "client" not in nomad
    )


@pytest.mark.parametrize(
    ("change", "consul", "nomad"),
    [
        (lambda told: None, "NONE", "NONE"),
        (
            lambda told: told.update(primes=["10.10.0.2", "10.10.0.3"], bootstrap_expect=2),
            "NONE",
            "NONE",
        ),
        (
            lambda told: told.update(gossip={"consul": gossip_key(), "nomad": gossip_key()}),
            "NONE",
            "NONE",
        ),
        (
            lambda told: told["tokens"].update(agent="3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"),
            "RELOAD",
            "NONE",
        ),
        (
            lambda told: told["tokens"].update(dns="3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"),
            "RELOAD",
            "NONE",
        ),
        (
            lambda told: told["tokens"].update(nomad="3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"),
            "NONE",
            "RESTART",
        ),
        (lambda told: told["node"].update(name="other"), "RESTART", "RESTART"),
    ],
)
@pytest.mark.parametrize("role", ["prime", "worker"])
def test_an_agent_does_what_a_change_takes(
    tool: Tool,
    configs: Configs,
    authority: Authority,
    role: str,
    change: Callable[[dict[str, Any]], None],
    consul: str,
    nomad: str,
) -> None:
    agents, told = tool("agents"), bundle(role, authority)
    old = configs(told)
    change(told)
    new = configs(told)
    assert agents.consul_work(old[0], new[0]).name == consul
    assert agents.nomad_work(old[1], new[1]).name == nomad


def _binary(name: str) -> Path:
    found = tools.find(next(tool for tool in pinned_tools() if tool.name == name))
    if found is None:
        pytest.skip(f"{name} is not there: make setup")
    return found.path


def _directory(scratch: Path, agent: str, config: dict[str, Any], authority: Authority) -> Path:
    """The agent's directory as on a node, but for where certificates and state are."""
    directory, certificates = scratch / f"{agent}.d", scratch / "tls"
    directory.mkdir()
    certificates.mkdir()
    for name, text in zip(
        ("ca", "cert", "key"), authority.identity("server.nyc3.consul").values(), strict=True
    ):
        (certificates / f"{name}.pem").write_text(text)
    base = (ETC / f"{agent}.d/base.hcl").read_text().replace("/etc/slipway/tls", str(certificates))
    (directory / "base.hcl").write_text(base.replace(f"/var/lib/{agent}", str(scratch / "state")))
    (directory / "cluster.json").write_text(json.dumps(config))
    return directory


@pytest.mark.parametrize("role", ["prime", "worker"])
@pytest.mark.parametrize("agent", ["consul", "nomad"])
def test_the_agents_know_every_word_of_it(
    configs: Configs, authority: Authority, tmp_path: Path, agent: str, role: str
) -> None:
    binary, config = (
        _binary(agent),
        dict(zip(("consul", "nomad"), configs(bundle(role, authority)), strict=True))[agent],
    )
    directory = _directory(tmp_path, agent, config, authority)
    validate: list[str | Path] = [
        binary,
        *(["validate"] if agent == "consul" else ["config", "validate"]),
        directory,
    ]
    done = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "is valid" in done.stdout, done.stdout + done.stderr
    config["shoe_size"] = 42
    (directory / "cluster.json").write_text(json.dumps(config))
    wrong = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert wrong.returncode != 0 and "shoe_size" in wrong.stdout + wrong.stderr
