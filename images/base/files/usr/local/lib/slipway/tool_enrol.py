#!/usr/bin/python3
"""tool-enrol: make this machine the node that the bundle on standard input describes, and start its agents.

May be run at any time, by several at once. An agent does what a change takes and no more: nothing, a reload, or a restart,
which its tasks outlive. A worker that belonged to another cluster forgets that and boots afresh, because until then the
former cluster's tasks have their directories mounted.

Tells in one line of JSON what came of it; with anything wrong nothing is changed.
"""

import contextlib
import fcntl
import json
import subprocess
import sys
from pathlib import Path

import agents
import before_nomad
import bundle
import doors
import files
import node
import node_tls
import resolver
import traces
from agents import Config, Work
from bundle import Bundle

ROOT = Path("/")
CONSUL = Path("/etc/consul.d/cluster.json")
NOMAD = Path("/etc/nomad.d/cluster.json")
CONSUL_STATE = Path("/var/lib/consul")
CONSUL_KEYRING = CONSUL_STATE / "serf/local.keyring"
HOSTS = Path("/etc/hosts")
LOCK = Path("/run/tool-enrol.lock")
OWED = Path("/run/tool-enrol.owed")
"""What the agents need and have not got yet, should enrolment be interrupted; a boot settles it."""

LARGEST = 1 << 18
"""Bytes of a bundle; a real one has a tenth of it."""

VERBS = {Work.NONE: "start", Work.RELOAD: "reload-or-restart", Work.RESTART: "restart"}


def systemctl(*words: str, check: bool = True) -> None:
    subprocess.run(["systemctl", *words], check=check, stdout=subprocess.DEVNULL)


def enrol(told: Bundle) -> str:
    """The outcome: started, reloaded, unchanged, or reboots, which is left to the caller.

    Raises:
        node.NotReadyError: the machine's network is not as the bundle says.
    """
    interface, address = node.private_address(told.node.vpc)
    recursors = resolver.original()
    consul, nomad = agents.consul(told, address, recursors), agents.nomad(told, address, interface)
    kept_consul, kept_nomad = _kept(CONSUL), _kept(NOMAD)
    identity, owed = _identity_work(told), _owed()
    work = {"consul": Work.NONE, "nomad": Work.NONE}
    if kept_consul is not None:
        work["consul"] = max(
            agents.consul_work(kept_consul, consul), identity, _keyring_work(told), owed["consul"]
        )
    if kept_nomad is not None:
        work["nomad"] = max(
            agents.nomad_work(kept_nomad, nomad), identity, _introduction_work(told), owed["nomad"]
        )
    OWED.write_text(json.dumps(work))

    _write_identity(told)
    _ensure_passage(told.node)
    _write_introduction(told)
    another = _belonged_elsewhere(told.node)
    if another:
        _forget()
    files.write(node.FILE, told.node.render(), 0o644)
    _ensure_localhost()
    resolver.use_consul(recursors)
    doors.shut(ROOT, told.host_key, told.operator_key)
    systemctl("reload", "ssh.service")
    traces.erase(ROOT)
    systemctl("start", "node-guard.service")
    # Last, because an agent starts as soon as its file is there.
    files.write(CONSUL, agents.render(consul), 0o640, "consul")
    # After it, or a Consul that starts in between would make one of the former key.
    if _keyring_work(told):
        files.remove(CONSUL_KEYRING)
    files.write(NOMAD, agents.render(nomad), 0o600)
    if another or before_nomad.about_to_forget():
        OWED.unlink()
        return "reboots"

    for agent, much in work.items():
        systemctl(VERBS[much], "--no-block", f"{agent}.service")
    if told.node.prime:
        systemctl("start", "--no-block", "nomad-jwks.service")
    OWED.unlink()
    if kept_consul is None or kept_nomad is None or Work.RESTART in work.values():
        return "started"
    return "reloaded" if Work.RELOAD in work.values() else "unchanged"


def _kept(path: Path) -> Config | None:
    """What the agent was told before."""
    found: Config | None = json.loads(path.read_text()) if path.exists() else None
    return found


def _owed() -> dict[str, Work]:
    owed = json.loads(OWED.read_text()) if OWED.exists() else {}
    return {agent: Work(owed.get(agent, Work.NONE)) for agent in ("consul", "nomad")}


def _identity_work(told: Bundle) -> Work:
    """Both agents take another certificate on the run."""
    pairs = zip(node_tls.paths(), _identity(told), strict=True)
    return (
        Work.NONE
        if all(path.exists() and path.read_text() == text for path, text in pairs)
        else Work.RELOAD
    )


def _identity(told: Bundle) -> tuple[str, str, str]:
    return told.identity.authority, told.identity.certificate, told.identity.key


def _write_identity(told: Bundle) -> None:
    files.directory(node_tls.DIRECTORY, 0o750, "consul")
    for path, text in zip(node_tls.paths(), _identity(told), strict=True):
        files.write(path, text, 0o640, "consul")


def _introduction_work(told: Bundle) -> Work:
    """Nomad reads it at its start only. Who sends another one has a client that is not registered yet."""
    path = before_nomad.INTRODUCTION
    known = not told.introduction or (path.exists() and path.read_text() == told.introduction)
    return Work.NONE if known else Work.RESTART


def _keyring_work(told: Bundle) -> Work:
    """A worker that was away while the gossip key was changed has a keyring of Consul's that lacks it, and that wins over
    the configuration. One that was there has been told the key by the ring itself, before it is told it here.

    Primes learn another key from the ring only after they were told it here: theirs is left alone.
    """
    if told.node.prime or not CONSUL_KEYRING.exists():
        return Work.NONE
    try:
        known = told.gossip.consul in json.loads(CONSUL_KEYRING.read_text())
    except (ValueError, TypeError):  # cut off as it was written; Consul would not start with it
        known = False
    return Work.NONE if known else Work.RESTART


def _ensure_passage(now: node.Node) -> None:
    """Tasks of raw_exec are ordinary users that see the machine as it is, and pass through Nomad's directory to their own.

    Elsewhere it is shut: a server's snapshots below it are readable to all, and so may be what tasks of exec write.
    """
    files.directory(
        before_nomad.STATE, 0o711 if not now.prime and now.task_driver == "raw_exec" else 0o700
    )


def _write_introduction(told: Bundle) -> None:
    if told.introduction:
        files.directory(before_nomad.CLIENT_STATE, 0o700)
        files.write(before_nomad.INTRODUCTION, told.introduction, 0o600)
    else:
        files.remove(before_nomad.INTRODUCTION)


def _belonged_elsewhere(now: node.Node) -> bool:
    if not node.FILE.exists():
        return False
    before = node.read()
    return not now.prime and bool(before.cluster and now.cluster) and before.cluster != now.cluster


def _forget() -> None:
    """End both agents at once, for a client that drains or leaves would ask its former servers."""
    systemctl("kill", "--signal=KILL", "consul.service", "nomad.service", check=False)
    for entry in CONSUL_STATE.iterdir():
        files.remove(entry)
    before_nomad.forget_at_boot()


def _ensure_localhost() -> None:
    """Nomad reaches its Consul agent by that name."""
    hosts = HOSTS.read_text() if HOSTS.exists() else ""
    if not any(
        "localhost" in line.split()[1:] for line in hosts.splitlines() if line.startswith("127.")
    ):
        HOSTS.write_text(f"127.0.0.1 localhost\n{hosts}")


def main() -> int:
    try:
        told = bundle.parse(sys.stdin.buffer.read(LARGEST).decode(errors="replace"))
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            outcome = enrol(told)
    except (
        bundle.BundleError,
        node.NotReadyError,
        OSError,
        subprocess.CalledProcessError,
    ) as reason:
        print(f"tool-enrol: {reason}", file=sys.stderr)
        return 1
    with contextlib.suppress(
        BrokenPipeError
    ):  # who asked may be gone; what follows is to be done all the same
        print(json.dumps({"outcome": outcome}), flush=True)
    if outcome == "reboots":
        systemctl("--no-block", "reboot")
    return 0


if __name__ == "__main__":
    sys.exit(main())
