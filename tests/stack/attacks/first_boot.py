"""What user_data told a machine at its first boot, after that."""

import json

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.process import CLOSED, SCRIPT, told
from tests.stack.attacks.shell import greeted
from tests.stack.attacks.victim import Victim

COPIES = "grep -rlE 'PRIVATE KEY|ed25519_private' /var/lib/cloud /run/cloud-init /var/log 2>/dev/null || true"


def _asked_by_root(victim: Victim) -> Outcome:
    answer = victim.worker.shell.run(f"python3 - '{told(victim, ['metadata'])}'", stdin=SCRIPT)
    return Outcome(*json.loads(answer)["metadata"])


def _copies(victim: Victim) -> Outcome:
    found = victim.worker.shell.run(COPIES).split()
    return Outcome(bool(found), f"copies: {found}")


def _speaks_for_the_machine(victim: Victim) -> Outcome:
    """Whoever has the host key of user_data can pass for the machine, as long as it is the machine's own."""
    transport = greeted(victim.worker.public)
    try:
        shown = transport.get_remote_server_key().get_base64()
    finally:
        transport.close()
    first = victim.first_boot[0].split()[1]
    return Outcome(shown == first, f"the machine shows {shown}; its first key was {first}")


ATTACKS = [
    Attack("Root on a worker reads user_data from the metadata service", _asked_by_root, CLOSED),
    Attack("Root on a worker finds a copy of the first boot's key", _copies, r"^copies: \[\]"),
    Attack("The first boot's key speaks for the machine", _speaks_for_the_machine, "shows AAAA"),
]
