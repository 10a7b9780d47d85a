"""All attacks by section, and the tables of docs/security.md that list them.

``python -m tests.stack.attacks.table`` prints these tables.
"""

from types import ModuleType

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

SECTIONS: dict[str, ModuleType] = {
    "HTTP APIs of the servers, for an administrator": server_apis,
    "RPC ports of the servers, from a worker": server_rpc,
    "Gossip": gossip,
    "Root on a worker": worker_root,
    "Tokens and workload identities": tokens,
    "Requests to backserve": mesh,
    "Unprivileged processes on a worker": local_processes,
    "Open ports": ports,
    "Endpoints without a token": unauthenticated,
    "First boot": first_boot,
    "SSH": ssh,
    "Impersonated machines": impersonation,
    "Replaced programs": artifacts,
    "Disclosed secrets": disclosure,
}
ATTACKS: list[Attack] = [attack for module in SECTIONS.values() for attack in module.ATTACKS]


def as_markdown() -> str:
    """Return one table per section: the attack, what refuses it, and the module that tests it."""
    lines = []
    for title, module in SECTIONS.items():
        file = module.__name__.replace(".", "/") + ".py"
        lines += [f"**{title}** (`{file}`)", "", "| attack | refused by |", "|---|---|"]
        lines += [f"| {attack.name} | {attack.refused_by} |" for attack in module.ATTACKS]
        lines.append("")
    return "\n".join(lines[:-1])


if __name__ == "__main__":
    print(as_markdown())
