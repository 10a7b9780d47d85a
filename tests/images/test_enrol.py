"""tool-enrol makes a machine a node, and applies a later bundle with the least disruption."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.images.support.credentials import (
    Authority,
    make_bundle,
    make_gossip_key,
    make_host_key,
)
from tests.images.support.machine import Machine
from tests.images.support.programs import LoadModule

START_AGENTS = ["start --no-block consul.service", "start --no-block nomad.service"]
EVERY_ENROLMENT = ["reload ssh.service", "start node-firewall.service"]
CONSUL_DROP_IN = "run/systemd/system/consul.service.d/recovery.conf"
TOKEN = "3f1c1e0c-6a43-4d64-9d4e-0d0e0a7a1b11"


@pytest.fixture
def machine(tmp_path: Path, load: LoadModule, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, load, monkeypatch)


@pytest.fixture
def worker(authority: Authority) -> dict[str, Any]:
    return make_bundle("worker", authority)


Enrol = Callable[[dict[str, Any]], str]


@pytest.fixture
def enrol(machine: Machine, capsys: pytest.CaptureFixture[str]) -> Enrol:
    """Enrol with a bundle and return the outcome."""

    def run(bundle: dict[str, Any]) -> str:
        status = machine.enrol(bundle)
        output = capsys.readouterr()
        assert status == 0, output.err
        outcome: str = json.loads(output.out.splitlines()[-1])["outcome"]
        return outcome

    return run


def test_a_new_worker_is_configured_completely(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    assert enrol(worker) == "started"
    assert machine.systemctl_calls == [*EVERY_ENROLMENT, *START_AGENTS]
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


def test_secrets_are_never_readable_by_others(
    machine: Machine,
    enrol: Enrol,
    worker: dict[str, Any],
    load: LoadModule,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, modes_while_written = load("files"), dict[str, int]()
    fchmod = files.os.fchmod

    def record_and_change(descriptor: int, mode: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        modes_while_written[path.name] = stat.S_IMODE(path.stat().st_mode)
        fchmod(descriptor, mode)

    monkeypatch.setattr(files.os, "fchmod", record_and_change)
    enrol(worker)
    assert set(modes_while_written.values()) == {0o600} and ".key.pem.new" in modes_while_written
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


def test_a_prime_serves_nomad_s_keys_to_its_consul(
    machine: Machine, enrol: Enrol, authority: Authority
) -> None:
    assert enrol(make_bundle("prime", authority)) == "started"
    assert machine.systemctl_calls == [
        *EVERY_ENROLMENT,
        *START_AGENTS,
        "start --no-block nomad-jwks.service",
    ]
    assert not machine.has("var/lib/nomad/client")


@pytest.mark.parametrize(
    ("role", "driver", "mode"),
    [("worker", "raw_exec", 0o711), ("worker", "exec", 0o700), ("prime", "raw_exec", 0o700)],
)
def test_only_tasks_of_raw_exec_may_enter_nomad_s_directory(
    machine: Machine, enrol: Enrol, authority: Authority, role: str, driver: str, mode: int
) -> None:
    bundle = make_bundle(role, authority)
    bundle["node"]["task_driver"] = driver
    (machine.root / "var/lib/nomad").chmod(0o755)
    enrol(bundle)
    assert machine.mode("var/lib/nomad") == mode
    assert not machine.has("var/lib/nomad/client") or machine.mode("var/lib/nomad/client") == 0o700


def test_enrolment_restricts_logins_and_replaces_host_keys(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    for path in (
        "ssh_host_ed25519_key",
        "ssh_host_rsa_key",
        "ssh_host_rsa_key.pub",
        "ssh_host_ecdsa_key",
    ):
        machine.write(f"etc/ssh/{path}", "one-time")
    machine.write("root/.ssh/authorized_keys", "ssh-ed25519 AAAA")
    machine.write("etc/ssh/authorized_keys.d/enrol", "restrict ssh-ed25519 AAAA")
    worker["host_key"], public = make_host_key()
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


def test_no_copy_of_user_data_is_left(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    instance = "var/lib/cloud/instances/i-1"
    names = (
        "obj.pkl",
        "user-data.txt",
        "user-data.txt.i",
        "vendor-data.txt",
        "cloud-config.txt",
        "scripts/part-001",
    )
    for path in (
        *(f"{instance}/{name}" for name in names),
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
    copies = [
        path
        for path in machine.root.rglob("*")
        if path.is_file() and "one-time" in path.read_text()
    ]
    assert copies == [] and not (machine.root / "var/lib/cloud/instance").is_symlink()
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
    assert machine.systemctl_calls == [*EVERY_ENROLMENT, *START_AGENTS]


def _renew_identity(bundle: dict[str, Any]) -> None:
    bundle["identity"] = Authority().identity("renewed")


@pytest.mark.parametrize(
    ("change", "outcome", "consul", "nomad"),
    [
        (_renew_identity, "reloaded", "reload-or-restart", "reload-or-restart"),
        (
            lambda bundle: bundle["tokens"].update(agent=TOKEN),
            "reloaded",
            "reload-or-restart",
            "start",
        ),
        (
            lambda bundle: bundle["tokens"].update(nomad=TOKEN),
            "started",
            "start",
            "restart",
        ),
        (
            lambda bundle: bundle.update(gossip={"consul": make_gossip_key()}),
            "unchanged",
            "start",
            "start",
        ),
        (lambda bundle: bundle.update(primes=["10.10.0.9"]), "unchanged", "start", "start"),
        (lambda bundle: bundle.update(introduction=""), "unchanged", "start", "start"),
        (lambda bundle: bundle.update(introduction="e30.e30.bmV3"), "started", "start", "restart"),
    ],
)
def test_a_change_causes_the_least_disruptive_action(
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
    assert machine.systemctl_calls[len(EVERY_ENROLMENT) :] == [
        f"{consul} --no-block consul.service",
        f"{nomad} --no-block nomad.service",
    ]
    assert worker["gossip"]["consul"] in machine.read("etc/consul.d/cluster.json")
    assert worker["primes"][0] in machine.read("etc/slipway/node.json")
    assert machine.has("var/lib/nomad/client/intro_token.jwt") is bool(worker["introduction"])
    assert enrol(worker) == "unchanged"


KEYRING = "var/lib/consul/serf/local.keyring"


@pytest.mark.parametrize(
    "keyring",
    [json.dumps([make_gossip_key()]), '["', "null"],
    ids=["another key", "damaged", "null"],
)
def test_a_worker_that_missed_a_gossip_key_rotation_gets_a_new_keyring(
    machine: Machine, enrol: Enrol, worker: dict[str, Any], keyring: str
) -> None:
    enrol(worker)
    machine.write(KEYRING, keyring)
    worker["gossip"]["consul"] = make_gossip_key()
    assert enrol(worker) == "started" and not machine.has(KEYRING)
    assert machine.systemctl_calls[len(EVERY_ENROLMENT) :] == [
        "restart --no-block consul.service",
        "start --no-block nomad.service",
    ]
    assert worker["gossip"]["consul"] in machine.read("etc/consul.d/cluster.json")
    assert enrol(worker) == "unchanged"


def test_a_keyring_with_the_gossip_key_stays(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    enrol(worker)
    worker["gossip"]["consul"] = make_gossip_key()
    machine.write(KEYRING, json.dumps([make_gossip_key(), worker["gossip"]["consul"]]))
    assert enrol(worker) == "unchanged" and machine.has(KEYRING)


def test_a_prime_keeps_its_keyring(machine: Machine, enrol: Enrol, authority: Authority) -> None:
    prime = make_bundle("prime", authority)
    enrol(prime)
    machine.write(KEYRING, json.dumps([prime["gossip"]["consul"]]))
    prime["gossip"]["consul"] = make_gossip_key()
    assert enrol(prime) == "unchanged" and machine.has(KEYRING)


def test_the_next_enrolment_completes_an_interrupted_one(
    machine: Machine,
    enrol: Enrol,
    worker: dict[str, Any],
    load: LoadModule,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enrol(worker)
    _renew_identity(worker)
    with pytest.MonkeyPatch.context() as patch:

        def fail(root: Path) -> None:
            raise OSError("no space left on device")

        patch.setattr(load("tool_enrol"), "erase_cloud_init", fail)
        assert machine.enrol(worker) == 1
    assert "no space left" in capsys.readouterr().err and machine.systemctl_calls == [
        "reload ssh.service"
    ]
    assert enrol(worker) == "reloaded"
    assert enrol(worker) == "unchanged"


def test_a_worker_of_another_cluster_loses_its_state_and_reboots(
    machine: Machine, enrol: Enrol, worker: dict[str, Any], load: LoadModule
) -> None:
    nomad_prestart = load("nomad_prestart")
    enrol(worker)
    machine.write("var/lib/consul/serf/local.snapshot", "old")
    machine.write("var/lib/consul/node-id", "lasting")
    machine.write("var/lib/nomad/client/state.db", "old")
    machine.write("var/lib/nomad/alloc/1/task", "old")
    worker.update(cluster="202", introduction="e30.e30.bmV3")
    for _ in range(2):  # A second time, as after a lost connection.
        assert enrol(worker) == "reboots"
        assert machine.systemctl_calls[-1] == "--no-block reboot" and not any(
            call.endswith("nomad.service") for call in machine.systemctl_calls[-2:]
        )
        assert machine.has("var/lib/nomad/client/state.db"), "tasks use it until the reboot"
    assert [path.name for path in (machine.root / "var/lib/consul").iterdir()] == ["node-id"]
    machine.write("proc/sys/kernel/random/boot_id", "second")
    nomad_prestart.reset_state_if_scheduled()
    entries = [path.name for path in (machine.root / "var/lib/nomad").rglob("*")]
    assert (
        sorted(entries) == ["client", "intro_token.jwt"]
        and machine.read("var/lib/nomad/client/intro_token.jwt") == "e30.e30.bmV3"
    )
    machine.write("var/lib/nomad/client/state.db", "new")
    nomad_prestart.reset_state_if_scheduled()
    assert machine.has("var/lib/nomad/client/state.db")
    assert enrol(worker) == "unchanged"


def test_only_root_enters_a_client_s_state_after_a_reset(
    machine: Machine, load: LoadModule
) -> None:
    load("nomad_prestart").schedule_state_reset()
    load("nomad_prestart").reset_state_if_scheduled()
    assert machine.mode("var/lib/nomad/client") == 0o700


def test_agents_of_another_cluster_are_killed_without_leaving_it(
    machine: Machine, enrol: Enrol, worker: dict[str, Any]
) -> None:
    enrol(worker)
    enrol({**worker, "cluster": "202"})
    assert machine.systemctl_calls[:2] == [
        "kill --signal=KILL consul.service nomad.service",
        "stop consul.service nomad.service",
    ]


def test_an_invalid_bundle_changes_nothing(
    machine: Machine,
    worker: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    load: LoadModule,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = sorted(machine.root.rglob("*"))
    assert machine.enrol({**worker, "primes": []}) == 1
    assert "primes must list" in capsys.readouterr().err
    assert machine.enrol("x" * (1 << 19)) == 1
    lock = machine.root / "run/tool-enrol.lock"
    node = load("node")

    def fail(vpc: object) -> None:
        raise node.NodeError(f"no interface has an address in {vpc}")

    monkeypatch.setattr(node, "find_private_address", fail)
    assert machine.enrol(worker) == 1
    output = capsys.readouterr()
    assert "no interface has an address in 10.10.0.0/20" in output.err and output.out == ""
    assert (
        machine.systemctl_calls == []
        and sorted(path for path in machine.root.rglob("*") if path != lock) == before
    )


def test_a_server_that_joins_a_cluster_does_not_bootstrap_one(
    machine: Machine, enrol: Enrol, authority: Authority
) -> None:
    enrol({**make_bundle("prime", authority), "bootstrap_expect": 0})
    assert "bootstrap_expect" not in json.loads(machine.read("etc/consul.d/cluster.json"))
    assert "bootstrap_expect" not in json.loads(machine.read("etc/nomad.d/cluster.json"))["server"]


@pytest.mark.parametrize("role", ["prime", "worker"])
def test_a_node_that_leaves_stops_nomad_before_consul(
    machine: Machine, enrol: Enrol, authority: Authority, role: str
) -> None:
    """A prime's Nomad stops by SIGTERM, at which a server leaves its pool."""
    drop_in = "run/systemd/system/nomad.service.d/leave.conf"
    enrol(make_bundle(role, authority))
    assert enrol({"action": "leave"}) == "left"
    reload = ["daemon-reload"] if role == "prime" else []
    assert machine.systemctl_calls == [
        *reload,
        "disable --now nomad.service",
        "disable --now consul.service",
    ]
    if role == "prime":
        assert machine.read(drop_in) == "[Service]\nKillSignal=SIGTERM\n"
    else:
        assert not (machine.root / drop_in).exists()


@pytest.mark.parametrize(
    ("program", "file"),
    [
        ("consul", "var/lib/consul/acl-bootstrap-reset"),
        ("nomad", "var/lib/nomad/server/acl-bootstrap-reset"),
    ],
)
def test_a_prime_permits_another_bootstrap_of_the_acls(
    machine: Machine, enrol: Enrol, authority: Authority, program: str, file: str
) -> None:
    enrol(make_bundle("prime", authority))
    machine.write(file, "old")
    action = {"action": "permit-bootstrap", "program": program, "index": 42}
    assert enrol(action) == "permitted"
    assert machine.read(file) == "42"
    assert machine.mode(file) == (0o640 if program == "consul" else 0o600)


@pytest.mark.parametrize(
    ("role", "fields", "reason"),
    [
        ("worker", {"program": "consul", "index": 1}, "only a prime has ACLs"),
        ("prime", {"program": "vault", "index": 1}, "program must be consul or nomad"),
        ("prime", {"program": "nomad", "index": "1"}, "index a number"),
        ("prime", {}, "program must be consul or nomad"),
    ],
)
def test_an_invalid_permission_to_bootstrap_is_refused(
    machine: Machine,
    enrol: Enrol,
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    role: str,
    fields: dict[str, Any],
    reason: str,
) -> None:
    enrol(make_bundle(role, authority))
    assert machine.enrol({"action": "permit-bootstrap", **fields}) == 1
    assert reason in capsys.readouterr().err
    assert not machine.has("var/lib/nomad/server/acl-bootstrap-reset")


BACKUPS: dict[str, Any] = {
    "action": "schedule-backups",
    "url": "https://nyc3.spaces.test/backups",
    "access_key": "an id",
    "secret_key": "a secret",
    "certificate": "a certificate",
    "code_key": "ab",
    "consul_token": "consul's",
    "nomad_token": "nomad's",
    "period_h": 24,
    "keep": 14,
    "days": 30,
}


def test_a_prime_gets_its_schedule_of_backups(
    machine: Machine, enrol: Enrol, authority: Authority, load: LoadModule
) -> None:
    enrol(make_bundle("prime", authority))
    assert enrol(BACKUPS) == "scheduled"
    assert machine.systemctl_calls == ["start take-backup.timer"]
    assert machine.mode("etc/slipway/backup.json") == 0o600
    config = load("take_backup").read_config(machine.root / "etc/slipway/backup.json")
    assert (config.secret_key, config.keep) == ("a secret", 14)


@pytest.mark.parametrize(
    ("role", "change", "reason"),
    [
        ("worker", {}, "only a prime has backups"),
        ("prime", {"secret_key": None}, "secret_key is missing or not a text"),
        ("prime", {"days": "30"}, "days is missing or not a number"),
    ],
)
def test_an_invalid_schedule_changes_nothing(
    machine: Machine,
    enrol: Enrol,
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    role: str,
    change: dict[str, Any],
    reason: str,
) -> None:
    enrol(make_bundle(role, authority))
    assert machine.enrol({**BACKUPS, **change}) == 1
    error = capsys.readouterr().err
    assert reason in error and "a secret" not in error
    assert not machine.has("etc/slipway/backup.json")


def test_a_prime_recovers_as_the_only_server_and_keeps_its_state(
    machine: Machine, enrol: Enrol, authority: Authority
) -> None:
    enrol(make_bundle("prime", authority))
    machine.write("var/lib/consul/node-id", "consul-id\n")
    machine.write("var/lib/consul/raft/raft.db", "state")
    machine.write("var/lib/nomad/server/node-id", "nomad-id\n")
    machine.write("var/lib/nomad/server/raft/raft.db", "state")
    seen: dict[str, Any] = {}

    def read_peers(state: str) -> Any:
        peers = machine.root / state / "raft/peers.json"
        content = json.loads(peers.read_text())
        peers.unlink()
        return content

    def start_consul() -> None:
        seen["consul"] = read_peers("var/lib/consul")
        seen["drop-in"] = machine.read(CONSUL_DROP_IN)

    def start_nomad() -> None:
        seen["nomad"] = read_peers("var/lib/nomad/server")

    machine.before_start = {"consul.service": start_consul, "nomad.service": start_nomad}
    assert enrol({"action": "recover"}) == "recovered"
    assert seen == {
        "consul": [{"id": "consul-id", "address": "10.10.0.7:8300", "non_voter": False}],
        "nomad": [{"id": "nomad-id", "address": "10.10.0.7:4647", "non_voter": False}],
        "drop-in": (
            "[Service]\n"
            f"Environment=CONSUL_HTTP_ADDR=unix://{machine.root}/run/consul-recovery.sock\n"
        ),
    }
    assert machine.read("var/lib/consul/raft/raft.db") == "state"
    assert not (machine.root / CONSUL_DROP_IN).exists()
    assert not (machine.root / "run/consul-recovery.sock").exists()
    assert machine.systemctl_calls == [
        "stop consul.service",
        "daemon-reload",
        "start consul.service",
        "daemon-reload",
        "stop nomad.service",
        "start nomad.service",
    ]


def test_a_server_that_does_not_read_its_new_peers_is_named(
    machine: Machine,
    enrol: Enrol,
    authority: Authority,
    load: LoadModule,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    enrol(make_bundle("prime", authority))
    machine.write("var/lib/consul/node-id", "consul-id\n")
    machine.write("var/lib/consul/raft/raft.db", "state")
    monkeypatch.setattr(load("recover_server"), "RECOVERY_TIMEOUT_S", 0.0)
    assert machine.enrol({"action": "recover"}) == 1
    assert "consul has not read" in capsys.readouterr().err
    assert not (machine.root / CONSUL_DROP_IN).exists()


def test_a_worker_does_not_recover_as_a_server(
    machine: Machine, enrol: Enrol, worker: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    enrol(worker)
    assert machine.enrol({"action": "recover"}) == 1
    assert "only a prime can recover" in capsys.readouterr().err
    assert machine.systemctl_calls == []


def test_an_unknown_action_changes_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.enrol({"action": "reboot"}) == 1
    assert "action is 'reboot'" in capsys.readouterr().err
    assert machine.systemctl_calls == []
