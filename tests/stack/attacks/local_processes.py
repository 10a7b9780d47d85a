"""A process without rights on a worker, and one in a task: what they reach of the machine, its agents and its neighbours."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.stack.attacks import local_probes, nomad_task
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.target import Victim

SCRIPT = Path(local_probes.__file__).read_text()
NOBODY = "nobody"
EVERYWHERE = [
    "metadata",
    "by_interface",
    "consul",
    "certificate",
    "register",
    "nomad",
    "files",
    "ports",
]
IN_A_TASK = [*EVERYWHERE, "overhears", "login", "root", "neighbours"]
FILES = [
    "/etc/consul.d/cluster.json",
    "/etc/nomad.d/cluster.json",
    "/etc/slipway/tls/key.pem",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/shadow",
    "/var/lib/nomad/client/secret-id",
    "/var/lib/consul/node-id",
    "/var/lib/cloud/seed/nocloud/user-data",
]
"""Of an enrolled machine. Of the twin's there are some more, in the same places."""

Results = dict[str, tuple[bool, str]]


def told(victim: Victim, probes: list[str]) -> str:
    return json.dumps(
        {"probes": probes, "nomad": victim.client.url, "files": [*FILES, *victim.files]}
    )


@cache
def as_nobody(victim: Victim) -> Results:
    """All at once, for a process costs more than what it does."""
    command = f"python3 - '{told(victim, EVERYWHERE)}'"
    found: Results = json.loads(victim.worker.shell.run(command, NOBODY, stdin=SCRIPT))
    return found


@cache
def in_a_task(victim: Victim) -> Results:
    printed = nomad_task.ran(victim, ["-I", "-S", "-c", SCRIPT, told(victim, IN_A_TASK)])
    found: Results = json.loads(printed)
    return found


def _of(results: Callable[[Victim], Results], probe: str) -> Callable[[Victim], Outcome]:
    return lambda victim: Outcome(*results(victim)[probe])


CLOSED = "Connection refused"
WHAT = {
    "metadata": ("reads user_data from the metadata service", CLOSED),
    "by_interface": (
        "reads user_data from the metadata service through an interface that it chose",
        CLOSED,
    ),
    "consul": ("reads a key's value from Consul's agent", CLOSED),
    "certificate": ("has frontserve's certificate from Consul's agent", CLOSED),
    "register": ("registers a false backserve with Consul's agent", CLOSED),
    "nomad": ("asks Nomad's agent for its jobs", "(?i)certificate required"),
    "files": ("reads a file with keys or tokens", r"^read: \[\]"),
    "overhears": ("overhears what the machine sends and receives", "not permitted|not supported"),
    "login": ("has a token of Consul's by its own identity", CLOSED),
    "root": ("becomes root", "not permitted"),
    "neighbours": ("reads the environment of another process", "^none of"),
}
ATTACKS = [
    *(
        Attack(f"A process of nobody's {WHAT[probe][0]}", _of(as_nobody, probe), WHAT[probe][1])
        for probe in EVERYWHERE
        if probe in WHAT
    ),
    *(
        Attack(f"A task of another job {WHAT[probe][0]}", _of(in_a_task, probe), WHAT[probe][1])
        for probe in IN_A_TASK
        if probe in WHAT
    ),
]
