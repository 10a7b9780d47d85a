"""Attacks by a process of user nobody, and by a task of another job, on a worker."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.stack.attacks import local_probes, nomad_task
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.target import Target

SCRIPT = Path(local_probes.__file__).read_text()
NOBODY = "nobody"
COMMON_PROBES = [
    "metadata",
    "metadata_by_interface",
    "consul_kv",
    "leaf_certificate",
    "register_service",
    "nomad_jobs",
    "files",
    "ports",
]
TASK_PROBES = [*COMMON_PROBES, "packet_socket", "consul_login", "become_root", "environments"]
SECRET_FILES = [
    "/etc/consul.d/cluster.json",
    "/etc/nomad.d/cluster.json",
    "/etc/slipway/tls/key.pem",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/shadow",
    "/var/lib/nomad/client/secret-id",
    "/var/lib/consul/node-id",
    "/var/lib/cloud/seed/nocloud/user-data",
]
"""Of an enrolled node. ``Target.secret_files`` has those of the target alone."""

Results = dict[str, tuple[bool, str]]
"""By probe: whether it succeeded, and the detail."""


def probe_arguments(target: Target, probes: list[str]) -> str:
    """Return the argument of ``local_probes``, JSON."""
    files = [*SECRET_FILES, *target.secret_files]
    return json.dumps({"probes": probes, "nomad": target.worker_nomad.url, "files": files})


@cache
def results_as_nobody(target: Target) -> Results:
    """Run all probes in one process of user nobody."""
    command = f"python3 - '{probe_arguments(target, COMMON_PROBES)}'"
    results: Results = json.loads(target.worker.shell.run(command, NOBODY, stdin=SCRIPT))
    return results


@cache
def results_in_task(target: Target) -> Results:
    """Run all probes in one task of a new job."""
    arguments = probe_arguments(target, TASK_PROBES)
    results: Results = json.loads(
        nomad_task.run_task(target, ["-I", "-S", "-c", SCRIPT, arguments])
    )
    return results


def _outcome(results: Callable[[Target], Results], probe: str) -> Callable[[Target], Outcome]:
    return lambda target: Outcome(*results(target)[probe])


CLOSED = "Connection refused"
PACKET_FILTER = "the worker's packet filter"
SANDBOX = "the isolation of Nomad's exec driver"
GOALS = {
    "metadata": ("read user_data from the metadata service", CLOSED, PACKET_FILTER),
    "metadata_by_interface": (
        "read user_data from the metadata service, bound to a network interface",
        CLOSED,
        PACKET_FILTER,
    ),
    "consul_kv": ("read a KV value from the Consul agent", CLOSED, PACKET_FILTER),
    "leaf_certificate": (
        "get the mesh certificate of frontserve from the Consul agent",
        CLOSED,
        PACKET_FILTER,
    ),
    "register_service": (
        "register a false backserve with the Consul agent",
        CLOSED,
        PACKET_FILTER,
    ),
    "nomad_jobs": (
        "list the jobs through the Nomad agent",
        "(?i)certificate required",
        "mutual TLS",
    ),
    "files": ("read a file with keys or tokens", r"^read: \[\]", "file permissions"),
    "packet_socket": (
        "capture the machine's network traffic",
        "not permitted|not supported",
        SANDBOX,
    ),
    "consul_login": (
        "log in to Consul with the task's own identity",
        CLOSED,
        PACKET_FILTER,
    ),
    "become_root": ("become root", "not permitted", SANDBOX),
    "environments": ("read the environment of another process", "^none of", SANDBOX),
}
"""Probe -> goal, refusal, and the protection that refuses it."""


def _attacks(
    attacker: str, results: Callable[[Target], Results], probes: list[str]
) -> list[Attack]:
    return [
        Attack(f"{attacker}: {GOALS[probe][0]}", _outcome(results, probe), *GOALS[probe][1:])
        for probe in probes
        if probe in GOALS
    ]


ATTACKS = [
    *_attacks("As user nobody", results_as_nobody, COMMON_PROBES),
    *_attacks("In a task of another job", results_in_task, TASK_PROBES),
]
