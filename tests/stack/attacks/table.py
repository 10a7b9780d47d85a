"""The table of all attacks, by what they are made on or with."""

from tests.stack.attacks import (
    artifacts,
    disclosure,
    first_boot,
    gossip,
    impersonation,
    local_processes,
    mesh,
    ports,
    server_apis,
    server_rpc,
    ssh,
    tokens,
    unauthenticated,
    worker_root,
)
from tests.stack.attacks.attack import Attack

TABLE: dict[str, list[Attack]] = {
    "The servers' APIs, from an administrator's network": server_apis.ATTACKS,
    "The servers' ports for agents, from a worker": server_rpc.ATTACKS,
    "Gossip": gossip.ATTACKS,
    "Root on a worker": worker_root.ATTACKS,
    "Tokens and identities": tokens.ATTACKS,
    "Between the services": mesh.ATTACKS,
    "Processes without rights, and tasks of another job": local_processes.ATTACKS,
    "Ports": ports.ATTACKS,
    "What is told without a token": unauthenticated.ATTACKS,
    "First boot": first_boot.ATTACKS,
    "SSH": ssh.ATTACKS,
    "Impostors": impersonation.ATTACKS,
    "Programs": artifacts.ATTACKS,
    "Disclosure": disclosure.ATTACKS,
}


def listed() -> str:
    """The table as Markdown."""
    lines = []
    for title, attacks in TABLE.items():
        lines += [f"**{title}**", "", *(f"- {attack.name}" for attack in attacks), ""]
    return "\n".join(lines[:-1])
