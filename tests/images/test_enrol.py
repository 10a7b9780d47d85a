"""A machine becomes a node by one bundle, and follows the next one with as little as that takes."""

import io
import json
import stat
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import Tool
from tests.images.material import Authority, bundle, gossip_key, host_key

MODULES = ("tool_enrol", "before_nomad", "node", "node_tls", "resolver")
START = ["start --no-block consul.service", "start --no-block nomad.service"]
EVER = ["reload ssh.service", "start node-guard.service"]


class Machine:
    """A machine's files, and what was asked of its systemd."""

    def __init__(self, root: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.asked = root, list[str]()
        self._monkeypatch = monkeypatch
        for name in MODULES:
            for constant, path in list(vars(tool(name)).items()):
                if isinstance(path, Path) and path.is_absolute():
                    monkeypatch.setattr(tool(name), constant, root / path.relative_to("/"))
        self._enrol = tool("tool_enrol")
        monkeypatch.setattr(self._enrol.files, "gid", lambda group: root.stat().st_gid)
        monkeypatch.setattr(
            self._enrol.node, "private_address", lambda vpc: ("eth1", IPv4Address("10.10.0.7"))
        )
        monkeypatch.setattr(self._enrol.subprocess, "run", self._run)
        for directory in (
            "etc/consul.d",
            "etc/nomad.d",
            "etc/slipway",
            "etc/ssh/sshd_config.d",
            "var/lib/consul",
            "var/lib/nomad",
            "run",
        ):
            (root / directory).mkdir(parents=True)
        self.write("proc/sys/kernel/random/boot_id", "first")
        self.write("etc/resolv.conf", "nameserver 192.0.2.53\n")

    def _run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(" ".join(command[1:]))
        return subprocess.CompletedProcess(command, 0)

    def write(self, path: str, text: str = "") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def mode(self, path: str) -> int:
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def enrol(self, told: dict[str, Any] | str) -> int:
        """Run tool-enrol; its exit code."""
        self.asked.clear()
        text = told if isinstance(told, str) else json.dumps(told)
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code: int = self._enrol.main()
        return code


@pytest.fixture
def machine(tmp_path: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, tool, monkeypatch)


@pytest.fixture
def worker(authority: Authority) -> dict[str, Any]:
    return bundle("worker", authority)


Enrol = Callable[[dict[str, Any]], str]


@pytest.fixture
def enrol(machine: Machine, capsys: pytest.CaptureFixture[str]) -> Enrol:
    """The outcome of a bundle."""

    def run(told: dict[str, Any]) -> str:
        code = machine.enrol(told)
        said = capsys.readouterr()
        assert code == 0, said.err
        outcome: str = json.loads(said.out.splitlines()[-1])["outcome"]
        return outcome

    return run


def test_a_new_worker_gets_all_that_it_needs(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    assert enrol(worker) == "started"
    assert machine.asked == [*EVER, *START]
    consul, nomad = (
        json.loads(machine.read("etc/consul.d/cluster.json")),
        json.loads(machine.read("etc/nomad.d/cluster.json")),
    )
    assert consul["node_name"] == nomad["name"] == "worker01nyc3" and nomad["client"]["enabled"]
    assert [machine.read(f"etc/slipway/tls/{name}.pem") for name in ("ca", "cert", "key")] == list(
        worker["identity"].values()
    )
    assert machine.read("var/lib/nomad/client/intro_token.jwt") == worker["introduction"]
    assert json.loads(machine.read("etc/slipway/node.json"))["cluster"] == "101"
    assert (
        "nameserver 127.0.0.1" in machine.read("etc/resolv.conf")
        and machine.read("etc/hosts") == "127.0.0.1 localhost\n"
    )


def test_secrets_are_never_open_to_others(
    machine: Machine,
    enrol: Enrol,
    worker: dict[str, Any],
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, seen = tool("files"), dict[str, int]()
    publish = files.os.fchmod

    def watched(descriptor: int, mode: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen[path.name] = stat.S_IMODE(path.stat().st_mode)
        publish(descriptor, mode)

    monkeypatch.setattr(files.os, "fchmod", watched)
    enrol(worker)
    assert set(seen.values()) == {0o600} and ".key.pem.new" in seen, "while they are written"
    assert machine.mode("etc/slipway/tls") == 0o750
    modes = {
        "etc/slipway/tls/key.pem": 0o640,
        "etc/consul.d/cluster.json": 0o640,
        "etc/nomad.d/cluster.json": 0o600,
    }
    modes |= {
        "var/lib/nomad/client/intro_token.jwt": 0o600,
        "etc/ssh/ssh_host_ed25519_key": 0o600,
        "etc/slipway/node.json": 0o644,
    }
    assert {path: machine.mode(path) for path in modes} == modes
    public = machine.read("etc/slipway/node.json") + machine.read("etc/resolv.conf")
    assert not any(
        secret in public for secret in (*worker["tokens"].values(), *worker["gossip"].values())
    )


def test_a_prime_tells_its_consul_nomad_s_keys(
    machine: Machine, enrol: Enrol, authority: Authority
) -> None:
    assert enrol(bundle("prime", authority)) == "started"
    assert machine.asked == [*EVER, *START, "start --no-block nomad-jwks.service"]
    assert not machine.has("var/lib/nomad/client")


@pytest.mark.parametrize(
    ("role", "driver", "mode"),
    [("worker", "raw_exec", 0o711), ("worker", "exec", 0o700), ("prime", "raw_exec", 0o700)],
)
def test_tasks_pass_through_nomad_s_directory_where_they_must(
    machine: Machine, enrol: Enrol, authority: Authority, role: str, driver: str, mode: int
) -> None:
    told = bundle(role, authority)
    told["node"]["task_driver"] = driver
    (machine.root / "var/lib/nomad").chmod(0o755)
    enrol(told)
    assert machine.mode("var/lib/nomad") == mode
    assert not machine.has("var/lib/nomad/client") or machine.mode("var/lib/nomad/client") == 0o700


def test_the_doors_are_shut(machine: Machine, enrol: Enrol, worker: dict[str, Any]) -> None:
    for path in (
        "ssh_host_ed25519_key",
        "ssh_host_rsa_key",
        "ssh_host_rsa_key.pub",
        "ssh_host_ecdsa_key",
    ):
        machine.write(f"etc/ssh/{path}", "one-time")
    machine.write("root/.ssh/authorized_keys", "ssh-ed25519 AAAA")
    machine.write("etc/ssh/authorized_keys.d/enrol", "restrict ssh-ed25519 AAAA")
    worker["host_key"], public = host_key()
    enrol(worker)
    keys = {path.name: path.read_text() for path in (machine.root / "etc/ssh").glob("ssh_host_*")}
    assert keys == {
        "ssh_host_ed25519_key": worker["host_key"],
        "ssh_host_ed25519_key.pub": f"{public}\n",
    }
    assert "PermitRootLogin no" in machine.read(
        "etc/ssh/sshd_config.d/00-enrolled.conf"
    ) and not machine.has("root/.ssh/authorized_keys")
    assert machine.read("etc/ssh/authorized_keys.d/ops") == worker["operator_key"] + "\n"
    enrol({**worker, "operator_key": None})
    assert not machine.has("etc/ssh/authorized_keys.d/ops") and machine.has(
        "etc/ssh/authorized_keys.d/enrol"
    )


def test_nothing_is_left_of_user_data(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    instance = "var/lib/cloud/instances/i-1"
    named = (
        "obj.pkl",
        "user-data.txt",
        "user-data.txt.i",
        "vendor-data.txt",
        "cloud-config.txt",
        "scripts/part-001",
    )
    for path in (
        *(f"{instance}/{name}" for name in named),
        "var/lib/cloud/seed/nocloud/user-data",
        "run/cloud-init/instance-data-sensitive.json",
        "run/cloud-init/instance-data.json",
        "var/log/cloud-init.log",
        "var/log/cloud-init-output.log",
        "etc/cloud/cloud.cfg",
    ):
        machine.write(path, "-----BEGIN OPENSSH PRIVATE KEY----- one-time")
    (machine.root / "var/lib/cloud/instance").symlink_to(machine.root / instance)
    machine.write("etc/cloud/cloud.cfg", "users: []")
    enrol(worker)
    left = [
        path
        for path in machine.root.rglob("*")
        if path.is_file() and "one-time" in path.read_text()
    ]
    assert left == [] and not (machine.root / "var/lib/cloud/instance").is_symlink()
    assert machine.has("etc/cloud/cloud-init.disabled")


def test_the_same_bundle_changes_nothing(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    enrol(worker)
    before = {path: path.stat().st_ino for path in machine.root.rglob("*") if path.is_file()}
    assert enrol(worker) == "unchanged"
    assert {
        path: path.stat().st_ino for path in machine.root.rglob("*") if path.is_file()
    } == before
    assert machine.asked == [*EVER, *START]


def _renewed(told: dict[str, Any]) -> None:
    told["identity"] = Authority().identity("renewed")


@pytest.mark.parametrize(
    ("change", "outcome", "consul", "nomad"),
    [
        (_renewed, "reloaded", "reload-or-restart", "reload-or-restart"),
        (
            lambda told: told["tokens"].update(agent="3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"),
            "reloaded",
            "reload-or-restart",
            "start",
        ),
        (
            lambda told: told["tokens"].update(nomad="3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"),
            "started",
            "start",
            "restart",
        ),
        (lambda told: told.update(gossip={"consul": gossip_key()}), "unchanged", "start", "start"),
        (lambda told: told.update(primes=["10.10.0.9"]), "unchanged", "start", "start"),
        (lambda told: told.update(introduction=""), "unchanged", "start", "start"),
        (lambda told: told.update(introduction="e30.e30.bmV3"), "started", "start", "restart"),
    ],
)
def test_each_agent_does_what_a_change_takes(
    machine: Machine,
    enrol: Enrol,
    worker: dict[str, Any],
    change: Callable[[dict[str, Any]], None],
    outcome: str,
    consul: str,
    nomad: str,
) -> None:
    enrol(worker)
    change(worker)
    assert enrol(worker) == outcome
    assert machine.asked[2:] == [
        f"{consul} --no-block consul.service",
        f"{nomad} --no-block nomad.service",
    ]
    assert worker["gossip"]["consul"] in machine.read("etc/consul.d/cluster.json")
    assert worker["primes"][0] in machine.read("etc/slipway/node.json")
    assert machine.has("var/lib/nomad/client/intro_token.jwt") is bool(worker["introduction"])
    assert enrol(worker) == "unchanged"


KEYRING = "var/lib/consul/serf/local.keyring"


@pytest.mark.parametrize("keyring", [json.dumps([gossip_key()]), '["', "null"])
def test_a_worker_that_missed_another_gossip_key_takes_it_with_a_new_keyring(
    machine: Machine, enrol: Enrol, worker: dict[str, Any], keyring: str
) -> None:
    enrol(worker)
    machine.write(KEYRING, keyring)
    worker["gossip"]["consul"] = gossip_key()
    assert enrol(worker) == "started" and not machine.has(KEYRING)
    assert machine.asked[2:] == [
        "restart --no-block consul.service",
        "start --no-block nomad.service",
    ]
    assert worker["gossip"]["consul"] in machine.read("etc/consul.d/cluster.json")
    assert enrol(worker) == "unchanged"


def test_a_keyring_that_was_told_the_key_stays(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    enrol(worker)
    worker["gossip"]["consul"] = gossip_key()
    machine.write(KEYRING, json.dumps([gossip_key(), worker["gossip"]["consul"]]))
    assert enrol(worker) == "unchanged" and machine.has(KEYRING)


def test_a_prime_is_told_its_keys_by_the_ring(
    machine: Machine, enrol: Enrol, authority: Authority
) -> None:
    prime = bundle("prime", authority)
    enrol(prime)
    machine.write(KEYRING, json.dumps([prime["gossip"]["consul"]]))
    prime["gossip"]["consul"] = gossip_key()
    assert enrol(prime) == "unchanged" and machine.has(KEYRING)


def test_what_an_interrupted_enrolment_owes_is_made_up_for(
    machine: Machine,
    enrol: Enrol,
    worker: dict[str, Any],
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enrol(worker)
    _renewed(worker)
    with pytest.MonkeyPatch.context() as broken:

        def full(root: Path) -> None:
            raise OSError("no space left on device")

        broken.setattr(tool("traces"), "erase", full)
        assert machine.enrol(worker) == 1
    assert "no space left" in capsys.readouterr().err and machine.asked == ["reload ssh.service"]
    assert enrol(worker) == "reloaded"
    assert enrol(worker) == "unchanged"


def test_a_worker_of_another_cluster_forgets_it_and_boots(
    machine: Machine, enrol: Enrol, worker: dict[str, Any], tool: Tool
) -> None:
    before = tool("before_nomad")
    enrol(worker)
    machine.write("var/lib/consul/serf/local.snapshot", "former")
    machine.write("var/lib/nomad/client/state.db", "former")
    machine.write("var/lib/nomad/alloc/1/task", "former")
    worker.update(cluster="202", introduction="e30.e30.bmV3")
    for _ in range(2):  # told twice, as when the connection broke
        assert enrol(worker) == "reboots"
        assert machine.asked[-1] == "--no-block reboot" and not any(
            asked.endswith("nomad.service") for asked in machine.asked[-2:]
        )
        assert machine.has("var/lib/nomad/client/state.db"), "it may be in use until then"
    assert list((machine.root / "var/lib/consul").iterdir()) == []
    machine.write("proc/sys/kernel/random/boot_id", "second")
    before.forget()
    left = [path.name for path in (machine.root / "var/lib/nomad").rglob("*")]
    assert (
        sorted(left) == ["client", "intro_token.jwt"]
        and machine.read("var/lib/nomad/client/intro_token.jwt") == "e30.e30.bmV3"
    )
    machine.write("var/lib/nomad/client/state.db", "own")
    before.forget()
    assert machine.has("var/lib/nomad/client/state.db")
    assert enrol(worker) == "unchanged"


def test_a_client_s_state_is_shut_when_nomad_begins_anew(machine: Machine, tool: Tool) -> None:
    tool("before_nomad").forget_at_boot()
    tool("before_nomad").forget()
    assert machine.mode("var/lib/nomad/client") == 0o700


def test_a_killed_agent_asks_nobody_for_leave(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    enrol(worker)
    enrol({**worker, "cluster": "202"})
    assert machine.asked[0] == "kill --signal=KILL consul.service nomad.service"


def test_a_bundle_with_something_wrong_changes_nothing(
    machine: Machine,
    worker: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = sorted(machine.root.rglob("*"))
    assert machine.enrol({**worker, "primes": []}) == 1
    assert "primes must name" in capsys.readouterr().err
    assert machine.enrol("x" * (1 << 19)) == 1
    lock = machine.root / "run/tool-enrol.lock"
    node = tool("node")

    def nowhere(vpc: object) -> None:
        raise node.NotReadyError(f"no interface has an address in {vpc}")

    monkeypatch.setattr(node, "private_address", nowhere)
    assert machine.enrol(worker) == 1
    said = capsys.readouterr()
    assert "no interface has an address in 10.10.0.0/20" in said.err and said.out == ""
    assert (
        machine.asked == []
        and sorted(path for path in machine.root.rglob("*") if path != lock) == before
    )
