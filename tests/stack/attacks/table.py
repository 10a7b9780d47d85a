"""The table of all attacks, by what they are made on or with."""

from tests.stack.attacks import (
    apis,
    artifacts,
    disclosure,
    first_boot,
    gossip,
    impostors,
    mesh,
    ports,
    process,
    relay,
    rpc,
    ssh,
    tokens,
    worker,
)
from tests.stack.attacks.attack import Attack

TABLE: dict[str, list[Attack]] = {
    "The servers' APIs, from an administrator's network": apis.ATTACKS,
    "The servers' ports for agents, from a worker": rpc.ATTACKS,
    "Gossip": gossip.ATTACKS,
    "Root on a worker": worker.ATTACKS,
    "Tokens and identities": tokens.ATTACKS,
    "Between the services": mesh.ATTACKS,
    "Processes without rights, and tasks of another job": process.ATTACKS,
    "Ports": ports.ATTACKS,
    "What is told without a token": relay.ATTACKS,
    "First boot": first_boot.ATTACKS,
    "SSH": ssh.ATTACKS,
    "Impostors": impostors.ATTACKS,
    "Programs": artifacts.ATTACKS,
    "Disclosure": disclosure.ATTACKS,
}


def listed() -> str:
    """The table as Markdown."""
    lines = []
    for title, attacks in TABLE.items():
        lines += [f"**{title}**", "", *(f"- {attack.name}" for attack in attacks), ""]
    return "\n".join(lines[:-1])
