#!/usr/bin/python3
"""tool-enrol: make this machine the node that the bundle on standard input describes.

It may run at any time, also several times at once. It starts the agents, and makes a running agent
apply a change: by nothing, a reload, or a restart, which tasks survive. A worker that belonged to
another cluster loses that cluster's state and reboots, because its tasks have directories mounted.

Instead of a bundle the input may be an action: with ``{"action": "leave"}`` the node leaves its
cluster, with ``recover`` a prime becomes the only server of its cluster, with ``permit-bootstrap``
the ACLs of a prime may be bootstrapped once more, and with ``schedule-backups`` it takes backups.

The output is one line of JSON with the outcome. An invalid input changes nothing.
"""

import contextlib
import fcntl
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import agent_config
import enrolment_bundle
import files
import node
import node_tls
import nomad_prestart
import resolver
from agent_config import AgentAction, Config
from enrolment_bundle import Bundle, Fields
from erase_cloud_init import erase_cloud_init
from harden_sshd import harden_sshd
from leave_cluster import leave_cluster
from permit_bootstrap import permit_bootstrap
from recover_server import RecoveryError, recover_server
from schedule_backups import schedule_backups

ROOT = Path("/")
CONSUL_CONFIG = Path("/etc/consul.d/cluster.json")
NOMAD_CONFIG = Path("/etc/nomad.d/cluster.json")
CONSUL_STATE = Path("/var/lib/consul")
CONSUL_NODE_ID = CONSUL_STATE / "node-id"
CONSUL_KEYRING = CONSUL_STATE / "serf/local.keyring"
HOSTS = Path("/etc/hosts")
LOCK = Path("/run/tool-enrol.lock")
PENDING_ACTIONS = Path("/run/tool-enrol.pending")
"""The agents' actions of an enrolment that was interrupted; a reboot makes them unnecessary."""

ACTIONS: dict[str, Callable[[Fields], str]] = {
    "leave": lambda _: leave_cluster(),
    "recover": lambda _: recover_server(),
    "permit-bootstrap": permit_bootstrap,
    "schedule-backups": schedule_backups,
}

MAX_BUNDLE_BYTES = 1 << 18
"""Ten times the size of a real bundle."""

SYSTEMCTL_VERBS = {
    AgentAction.NONE: "start",
    AgentAction.RELOAD: "reload-or-restart",
    AgentAction.RESTART: "restart",
}


def systemctl(*arguments: str, check: bool = True) -> None:
    """Run systemctl."""
    subprocess.run(["systemctl", *arguments], check=check, stdout=subprocess.DEVNULL)


def enrol(bundle: Bundle) -> str:
    """Apply the bundle and return the outcome: started, reloaded, unchanged or reboots.

    After ``reboots`` the caller reboots the machine.

    Raises:
        node.NodeError: the machine's network differs from the bundle.
    """
    interface, address = node.find_private_address(bundle.node.vpc)
    recursors = resolver.original_resolvers()
    consul = agent_config.consul_config(bundle, address, recursors)
    nomad = agent_config.nomad_config(bundle, address, interface)
    old_consul, old_nomad = _read_config(CONSUL_CONFIG), _read_config(NOMAD_CONFIG)
    identity_action, pending = _identity_action(bundle), _read_pending_actions()
    actions = {"consul": AgentAction.NONE, "nomad": AgentAction.NONE}
    if old_consul is not None:
        actions["consul"] = max(
            agent_config.consul_action(old_consul, consul),
            identity_action,
            _keyring_action(bundle),
            pending["consul"],
        )
    if old_nomad is not None:
        actions["nomad"] = max(
            agent_config.nomad_action(old_nomad, nomad),
            identity_action,
            _introduction_action(bundle),
            pending["nomad"],
        )
    PENDING_ACTIONS.write_text(json.dumps(actions))

    _write_identity(bundle)
    _set_nomad_directory_mode(bundle.node)
    _write_introduction(bundle)
    changes_cluster = _changes_cluster(bundle.node)
    if changes_cluster:
        _reset_agents()
    files.write_atomically(node.FILE, bundle.node.render(), 0o644)
    _ensure_localhost()
    resolver.use_consul(recursors)
    harden_sshd(ROOT, bundle.host_key, bundle.operator_key)
    systemctl("reload", "ssh.service")
    erase_cloud_init(ROOT)
    systemctl("start", "node-firewall.service")
    # The configuration comes last, because an agent may start as soon as it exists.
    files.write_atomically(CONSUL_CONFIG, agent_config.render(consul), 0o640, "consul")
    # Remove the keyring after that: a Consul that starts in between would write the old key again.
    if _keyring_action(bundle):
        files.remove(CONSUL_KEYRING)
    files.write_atomically(NOMAD_CONFIG, agent_config.render(nomad), 0o600)
    if changes_cluster or nomad_prestart.is_reboot_pending():
        PENDING_ACTIONS.unlink()
        return "reboots"

    for agent, action in actions.items():
        systemctl(SYSTEMCTL_VERBS[action], "--no-block", f"{agent}.service")
    if bundle.node.is_prime:
        systemctl("start", "--no-block", "nomad-jwks.service")
    PENDING_ACTIONS.unlink()
    if old_consul is None or old_nomad is None or AgentAction.RESTART in actions.values():
        return "started"
    return "reloaded" if AgentAction.RELOAD in actions.values() else "unchanged"


def _read_config(path: Path) -> Config | None:
    """Return an agent's current configuration; None on a machine that is not enrolled."""
    config: Config | None = json.loads(path.read_text()) if path.exists() else None
    return config


def _read_pending_actions() -> dict[str, AgentAction]:
    pending = json.loads(PENDING_ACTIONS.read_text()) if PENDING_ACTIONS.exists() else {}
    return {
        agent: AgentAction(pending.get(agent, AgentAction.NONE)) for agent in ("consul", "nomad")
    }


def _identity_action(bundle: Bundle) -> AgentAction:
    """Return what makes an agent use the bundle's certificate; both reload certificates."""
    pairs = zip(node_tls.certificate_paths(), _identity_texts(bundle), strict=True)
    is_current = all(path.exists() and path.read_text() == text for path, text in pairs)
    return AgentAction.NONE if is_current else AgentAction.RELOAD


def _identity_texts(bundle: Bundle) -> tuple[str, str, str]:
    return bundle.identity.authority, bundle.identity.certificate, bundle.identity.key


def _write_identity(bundle: Bundle) -> None:
    files.ensure_directory(node_tls.DIRECTORY, 0o750, "consul")
    for path, text in zip(node_tls.certificate_paths(), _identity_texts(bundle), strict=True):
        files.write_atomically(path, text, 0o640, "consul")


def _introduction_action(bundle: Bundle) -> AgentAction:
    """Return what makes Nomad use the introduction, which it reads only when it starts.

    A bundle with a new introduction is for a client that is not registered yet.
    """
    path = nomad_prestart.INTRODUCTION
    is_current = not bundle.introduction or (
        path.exists() and path.read_text() == bundle.introduction
    )
    return AgentAction.NONE if is_current else AgentAction.RESTART


def _keyring_action(bundle: Bundle) -> AgentAction:
    """Return what makes Consul use the gossip key if its keyring, which has precedence, lacks it.

    That is so on a worker that was down while the key was rotated. A running worker receives the
    key by gossip before its bundle has it. Primes receive it by gossip after their bundle has it,
    so their keyring is not checked.
    """
    if bundle.node.is_prime or not CONSUL_KEYRING.exists():
        return AgentAction.NONE
    try:
        has_key = bundle.gossip.consul in json.loads(CONSUL_KEYRING.read_text())
    except (ValueError, TypeError):  # A truncated keyring, with which Consul would not start.
        has_key = False
    return AgentAction.NONE if has_key else AgentAction.RESTART


def _set_nomad_directory_mode(this_node: node.Node) -> None:
    """Let tasks of raw_exec, which run as ordinary users, reach their own directories.

    Otherwise only root enters Nomad's directory: a server's snapshots in it are readable by all,
    and so may be what tasks of exec write.
    """
    is_open = not this_node.is_prime and this_node.task_driver == "raw_exec"
    files.ensure_directory(nomad_prestart.STATE, 0o711 if is_open else 0o700)


def _write_introduction(bundle: Bundle) -> None:
    if bundle.introduction:
        files.ensure_directory(nomad_prestart.CLIENT_STATE, 0o700)
        files.write_atomically(nomad_prestart.INTRODUCTION, bundle.introduction, 0o600)
    else:
        files.remove(nomad_prestart.INTRODUCTION)


def _changes_cluster(new: node.Node) -> bool:
    """Return whether this machine is a worker of another cluster than before."""
    if not node.FILE.exists():
        return False
    old = node.read()
    return not new.is_prime and bool(old.cluster and new.cluster) and old.cluster != new.cluster


def _reset_agents() -> None:
    """Kill both agents and delete or schedule the deletion of their state.

    An agent that is stopped would drain or leave, and so contact its old servers. After the kill,
    the stop only prevents that systemd starts the agents again before the reboot. Consul's node id
    stays: after a restore the servers know this node by it, and refuse another id for its name.
    """
    systemctl("kill", "--signal=KILL", "consul.service", "nomad.service", check=False)
    systemctl("stop", "consul.service", "nomad.service")
    for entry in CONSUL_STATE.iterdir():
        if entry != CONSUL_NODE_ID:
            files.remove(entry)
    nomad_prestart.schedule_state_reset()


def _ensure_localhost() -> None:
    """Make ``localhost`` resolve to 127.0.0.1; Nomad connects to Consul by that name."""
    hosts = HOSTS.read_text() if HOSTS.exists() else ""
    loopback_lines = [line for line in hosts.splitlines() if line.startswith("127.")]
    if not any("localhost" in line.split()[1:] for line in loopback_lines):
        HOSTS.write_text(f"127.0.0.1 localhost\n{hosts}")


def run(text: str) -> str:
    """Run the action that the input names, or enrol with the bundle; return the outcome."""
    fields = enrolment_bundle.parse_action(text)
    bundle = None if fields else enrolment_bundle.parse(text)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return enrol(bundle) if bundle else ACTIONS[fields["action"]](fields)


def main() -> int:
    """Read standard input; return 1 and print the cause if the enrolment or the action fails."""
    try:
        outcome = run(sys.stdin.buffer.read(MAX_BUNDLE_BYTES).decode(errors="replace"))
    except (
        enrolment_bundle.BundleError,
        node.NodeError,
        OSError,
        RecoveryError,
        subprocess.CalledProcessError,
    ) as error:
        print(f"tool-enrol: {error}", file=sys.stderr)
        return 1
    # The SSH client may be gone; the reboot must happen nevertheless.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"outcome": outcome}), flush=True)
    if outcome == "reboots":
        systemctl("--no-block", "reboot")
    return 0


if __name__ == "__main__":
    sys.exit(main())
