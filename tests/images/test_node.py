"""What the image's tools make of what a node is told; they run on nodes with nothing but Debian's Python."""

import importlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "images/base/files/usr/local/lib/slipway"
NAMES = ("agents", "before_nomad", "cluster", "nomad_rpc", "resolver", "tool_hc", "tool_join", "tool_rejoin")
WORKER = (
    'ROLE=worker\nNODE_NAME=worker01nyc3\nDATACENTER=nyc3\n# why\nVPC_CIDR="10.10.0.0/20"\nPRIMES=10.10.0.2, 10.10.0.3\nTASK_DRIVER=exec\n'
)
PRIME = "ROLE=prime\nNODE_NAME=prime01nyc3\nDATACENTER=nyc3\nVPC_CIDR=10.10.0.0/20\nPRIMES=\nBOOTSTRAP_EXPECT=1\n"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """The tools' modules, which find each other as on a node, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


Tool = Callable[[str], ModuleType]


def test_a_worker_joins_the_primes_and_keeps_its_agents_to_itself(tool: Tool) -> None:
    told, agents, address = tool("cluster").parse(WORKER), tool("agents"), IPv4Address("10.10.0.7")
    consul = agents.consul(told, address, ["192.0.2.53"])
    assert consul["retry_join"] == ["10.10.0.2", "10.10.0.3"] and consul["server"] is False and consul["leave_on_terminate"] is True
    assert consul["bind_addr"] == "10.10.0.7" and consul["recursors"] == ["192.0.2.53"]
    assert consul["addresses"] == {"dns": "127.0.0.1 10.10.0.7", "http": "127.0.0.1"}
    assert "bootstrap_expect" not in consul and "ui_config" not in consul
    nomad = agents.nomad(told, address, "eth1")
    assert "server" not in nomad and nomad["client"]["enabled"] and nomad["client"]["network_interface"] == "eth1"
    assert nomad["client"]["server_join"]["retry_join"] == ["10.10.0.2", "10.10.0.3"]
    assert nomad["client"]["options"] == {"driver.allowlist": "exec"}
    assert nomad["plugin"]["raw_exec"]["config"]["enabled"] is False
    assert set(nomad["advertise"].values()) == {"10.10.0.7"} and nomad["addresses"] == {"http": "127.0.0.1"}


def test_raw_exec_is_the_only_driver_where_it_is_asked_for(tool: Tool) -> None:
    told = tool("cluster").parse(WORKER.replace("TASK_DRIVER=exec", "TASK_DRIVER=raw_exec"))
    nomad = tool("agents").nomad(told, IPv4Address("10.10.0.7"), "eth1")
    assert nomad["client"]["options"] == {"driver.allowlist": "raw_exec"}
    assert nomad["plugin"]["raw_exec"]["config"]["enabled"] is True


def test_a_lone_prime_serves_and_joins_nobody(tool: Tool) -> None:
    told, agents, address = tool("cluster").parse(PRIME), tool("agents"), IPv4Address("10.10.0.2")
    consul = agents.consul(told, address, [])
    assert consul["server"] is True and consul["bootstrap_expect"] == 1 and consul["performance"] == {"raft_multiplier": 1}
    assert consul["addresses"]["http"] == "0.0.0.0" and consul["ui_config"] == {"enabled": True}
    assert consul["leave_on_terminate"] is False
    nomad = agents.nomad(told, address, "eth1")
    assert nomad["server"] == {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1}
    assert nomad["addresses"] == {"http": "0.0.0.0", "rpc": "10.10.0.2", "serf": "10.10.0.2"} and "client" not in nomad


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ROLE=worker\n", "lacks DATACENTER, NODE_NAME, VPC_CIDR"),
        (WORKER.replace("ROLE=worker", "ROLE=boss"), "ROLE is boss; it must be prime or worker"),
        (WORKER.replace("PRIMES=10.10.0.2, 10.10.0.3", "PRIMES="), "a worker needs PRIMES"),
    ],
)
def test_a_node_told_too_little_says_what(tool: Tool, text: str, complaint: str) -> None:
    cluster = tool("cluster")
    with pytest.raises(cluster.NotReadyError, match=complaint):
        cluster.parse(text)


def test_an_agent_s_file_is_written_once(tool: Tool, tmp_path: Path) -> None:
    join, file = tool("tool_join"), tmp_path / "cluster.json"
    assert join.write(file, {"a": 1}) is True
    assert join.write(file, {"a": 1}) is False
    assert join.write(file, {"a": 2}) is True
    assert json.loads(file.read_text()) == {"a": 2} and list(tmp_path.iterdir()) == [file]


def test_consul_resolves_first_and_the_first_boot_s_resolvers_when_it_is_down(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = tool("resolver")
    managed = tmp_path / "managed.conf"
    managed.write_text(
        "search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver 2001:db8::1%eth0\nnameserver 192.0.2.3\n"
    )
    conf = tmp_path / "resolv.conf"
    conf.symlink_to(managed)
    for name, path in (("RESOLV_CONF", conf), ("KEPT", tmp_path / "kept"), ("UPSTREAM_OF_RESOLVED", tmp_path / "none")):
        monkeypatch.setattr(resolver, name, path)
    upstream = resolver.original()
    assert upstream == ["192.0.2.1", "2001:db8::1%eth0", "192.0.2.3"]
    resolver.use_consul(upstream)
    lines = conf.read_text().splitlines()
    assert not conf.is_symlink() and "192.0.2.3" in managed.read_text()
    assert lines[1:5] == ["search example.org", "nameserver 127.0.0.1", "nameserver 192.0.2.1", "nameserver 2001:db8::1%eth0"]
    assert resolver.original() == upstream, "after that resolv.conf no longer tells"
    before = conf.stat().st_ino
    resolver.use_consul(upstream)
    assert conf.stat().st_ino == before


def test_health_is_judged_as_a_script_check(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = tool("tool_hc")
    monkeypatch.setattr(check, "LEAVING", tmp_path / "leaving")
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 500 kB\n") == (0, "memory 50% free")
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 70 kB\n")[0] == 1
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 20 kB\n")[0] == 2
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert check.agent("nomad", unused.getsockname()[1], "/")[0] == 1
    monkeypatch.setattr(check, "findings", lambda: iter([(0, "disk / 50% free"), (2, "memory 1% free"), (1, "nomad does not answer")]))
    assert check.main() == 2
    assert capsys.readouterr().out == "memory 1% free; nomad does not answer; disk / 50% free\n"
    (tmp_path / "leaving").touch()
    assert check.main() == 0


@pytest.mark.parametrize(("answer", "ready"), [(b"\x82\xabPublicKeys\x91\x83\xa5KeyID", True), (b"\x82\xaaPublicKeys\x90", False)])
def test_a_server_without_its_first_key_takes_no_registrations(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, answer: bytes, ready: bool
) -> None:
    rpc = tool("nomad_rpc")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(rpc, "PORT", server.getsockname()[1])
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(1000))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert rpc.takes_registrations("127.0.0.1") is ready
        thread.join()
    assert asked == [rpc.REQUEST] and b"Keyring.ListPublic" in asked[0]


def test_nomad_starts_after_a_bound_all_the_same(tool: Tool, capsys: pytest.CaptureFixture[str]) -> None:
    before = tool("before_nomad")
    before.wait("the moon", 0.2, lambda: False)
    assert "the moon still not there" in capsys.readouterr().err
    tries = iter([False, True])
    before.wait("a second try", 5, lambda: next(tries))
    assert capsys.readouterr().err == ""


def test_a_node_that_rejoins_forgets_its_former_cluster_at_the_next_boot(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejoin, cluster, before = tool("tool_rejoin"), tool("cluster"), tool("before_nomad")
    asked: list[list[str]] = []
    monkeypatch.setattr(rejoin.subprocess, "run", lambda command, check: asked.append(command))
    monkeypatch.setattr(cluster, "ENV", tmp_path / "cluster.env")
    monkeypatch.setattr(before, "STATE", tmp_path / "nomad")
    monkeypatch.setattr(before, "FORGET", tmp_path / "nomad-forget")
    (tmp_path / "nomad/client").mkdir(parents=True)
    cluster.ENV.write_text(WORKER)
    assert rejoin.main([]) == rejoin.main(["$(reboot)"]) == 2
    assert asked == [] and cluster.ENV.read_text() == WORKER
    for _ in range(2):  # told twice, as when the connection broke
        assert rejoin.main(["10.10.0.9", "10.10.0.10"]) == 0
    assert cluster.parse(cluster.ENV.read_text()).primes == ["10.10.0.9", "10.10.0.10"]
    assert asked[:2] == [["systemctl", "kill", "--signal=KILL", "nomad.service"], ["systemctl", "--no-block", "reboot"]]
    before.forget()
    assert list((tmp_path / "nomad").iterdir()) == [] and not before.FORGET.exists()
    (tmp_path / "nomad/client").mkdir()
    before.forget()
    assert (tmp_path / "nomad/client").exists()
