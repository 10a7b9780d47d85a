"""The agents' configuration: its content, how a change is applied, and whether agents accept it."""

import json
import re
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.images.support.credentials import Authority, make_bundle, make_gossip_key
from tests.images.support.programs import ETC, LoadModule, find_binary

ADDRESS = IPv4Address("10.10.0.7")
TOKEN = "3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"

Configs = Callable[[dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
"""Returns Consul's and Nomad's configuration for a bundle."""


@pytest.fixture
def configs(load: LoadModule) -> Configs:
    agent_config = load("agent_config")

    def create(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = load("enrolment_bundle").parse(json.dumps(fields))
        consul = agent_config.consul_config(bundle, ADDRESS, ["192.0.2.53"])
        return consul, agent_config.nomad_config(bundle, ADDRESS, "eth1")

    return create


@pytest.fixture
def worker(authority: Authority) -> dict[str, Any]:
    return make_bundle("worker", authority)


@pytest.fixture
def prime(authority: Authority) -> dict[str, Any]:
    return make_bundle("prime", authority)


def test_a_worker_joins_the_primes_and_serves_on_loopback_only(
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
        "client_addr is the address of HTTP and DNS"
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


def test_an_agent_has_only_its_own_secrets(configs: Configs, worker: dict[str, Any]) -> None:
    consul, nomad = configs(worker)
    own = worker["tokens"]["agent"]
    assert consul["acl"]["tokens"] == {
        "agent": own,
        "config_file_service_registration": own,
        "dns": worker["tokens"]["dns"],
    }
    assert consul["encrypt"] == worker["gossip"]["consul"]
    assert nomad["consul"] == {"token": worker["tokens"]["nomad"]}
    assert "encrypt" not in json.dumps(nomad), "only servers gossip"
    assert worker["tokens"]["agent"] not in json.dumps(nomad) and worker["tokens"][
        "nomad"
    ] not in json.dumps(consul)


def test_raw_exec_is_the_only_driver_where_it_is_declared(
    configs: Configs, worker: dict[str, Any]
) -> None:
    worker["node"]["task_driver"] = "raw_exec"
    _, nomad = configs(worker)
    assert nomad["client"]["options"] == {"driver.allowlist": "raw_exec"}
    assert nomad["plugin"]["raw_exec"]["config"]["enabled"] is True


def test_a_prime_serves_and_requires_client_introductions(
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
    assert nomad["leave_on_terminate"] is True
    assert (
        nomad["server"]["enabled"] is True
        and nomad["server"]["encrypt"] == prime["gossip"]["nomad"]
    )
    assert nomad["server"]["client_introduction"] == {"enforcement": "strict"}
    assert nomad["server"]["node_gc_threshold"] == "720h", "a worker may register again after weeks"
    assert (
        nomad["addresses"] == {"http": "0.0.0.0", "rpc": "10.10.0.7", "serf": "10.10.0.7"}
        and "client" not in nomad
    )


@pytest.mark.parametrize(
    ("change", "consul", "nomad"),
    [
        (lambda bundle: None, "NONE", "NONE"),
        (
            lambda bundle: bundle.update(primes=["10.10.0.2", "10.10.0.3"], bootstrap_expect=2),
            "NONE",
            "NONE",
        ),
        (
            lambda bundle: bundle.update(
                gossip={"consul": make_gossip_key(), "nomad": make_gossip_key()}
            ),
            "NONE",
            "NONE",
        ),
        (lambda bundle: bundle["tokens"].update(agent=TOKEN), "RELOAD", "NONE"),
        (lambda bundle: bundle["tokens"].update(dns=TOKEN), "RELOAD", "NONE"),
        (lambda bundle: bundle["tokens"].update(nomad=TOKEN), "NONE", "RESTART"),
        (lambda bundle: bundle["node"].update(name="other"), "RESTART", "RESTART"),
    ],
)
@pytest.mark.parametrize("role", ["prime", "worker"])
def test_a_change_causes_the_least_disruptive_action(
    load: LoadModule,
    configs: Configs,
    authority: Authority,
    role: str,
    change: Callable[[dict[str, Any]], None],
    consul: str,
    nomad: str,
) -> None:
    agent_config, bundle = load("agent_config"), make_bundle(role, authority)
    old_consul, old_nomad = configs(bundle)
    change(bundle)
    new_consul, new_nomad = configs(bundle)
    assert agent_config.consul_action(old_consul, new_consul).name == consul
    assert agent_config.nomad_action(old_nomad, new_nomad).name == nomad


def _write_config_directory(
    directory: Path, agent: str, config: dict[str, Any], authority: Authority
) -> Path:
    """Write an agent's directory as on a node, with certificates and state in ``directory``."""
    config_directory, tls = directory / f"{agent}.d", directory / "tls"
    config_directory.mkdir()
    tls.mkdir()
    identity = authority.identity("server.nyc3.consul")
    for name, text in zip(("ca", "cert", "key"), identity.values(), strict=True):
        (tls / f"{name}.pem").write_text(text)
    base = (ETC / f"{agent}.d/base.hcl").read_text().replace("/etc/slipway/tls", str(tls))
    base = base.replace(f"/var/lib/{agent}", str(directory / "state"))
    (config_directory / "base.hcl").write_text(base)
    (config_directory / "cluster.json").write_text(json.dumps(config))
    return config_directory


def test_dns_answers_without_a_leader_but_not_from_a_cache() -> None:
    """After an outage the agent's cache answers stale for a minute (ADR 20)."""
    base = (ETC / "consul.d/base.hcl").read_text()
    [dns] = re.findall(r"^dns_config \{\n(.*?)^\}", base, re.DOTALL | re.MULTILINE)
    settings = dict(re.findall(r"(\w+) += (\S+)", dns))
    assert settings.get("allow_stale") == "true" and "use_cache" not in settings


@pytest.mark.parametrize("role", ["prime", "worker"])
@pytest.mark.parametrize("agent", ["consul", "nomad"])
def test_the_agents_accept_their_configuration(
    configs: Configs, authority: Authority, tmp_path: Path, agent: str, role: str
) -> None:
    consul, nomad = configs(make_bundle(role, authority))
    config = consul if agent == "consul" else nomad
    directory = _write_config_directory(tmp_path, agent, config, authority)
    arguments = ["validate"] if agent == "consul" else ["config", "validate"]
    command: list[str | Path] = [find_binary(agent), *arguments, directory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "is valid" in done.stdout, done.stdout + done.stderr
    config["shoe_size"] = 42
    (directory / "cluster.json").write_text(json.dumps(config))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "shoe_size" in done.stdout + done.stderr
