"""What user_data told a machine at its first boot, after that."""

import json

from tests.stack import known_secrets
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.local_processes import CLOSED, SCRIPT, told
from tests.stack.attacks.shell import greeted
from tests.stack.attacks.target import Victim

COPIES = "grep -rslF --file=- /etc /home /root /run/cloud-init /tmp /var/cache /var/lib/cloud /var/lib/enrol /var/log || true"


def _asked_by_root(victim: Victim) -> Outcome:
    answer = victim.worker.shell.run(f"python3 - '{told(victim, ['metadata'])}'", stdin=SCRIPT)
    return Outcome(*json.loads(answer)["metadata"])


def _copies(victim: Victim) -> Outcome:
    """By lines of the key itself, wherever a boot leaves anything."""
    lines = list(known_secrets.lines(victim.first_boot[1]))
    assert lines
    found = victim.worker.shell.run(COPIES, stdin="\n".join(lines)).split()
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
