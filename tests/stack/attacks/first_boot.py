"""Attacks with what user_data holds, after the first boot."""

import json

from tests.stack import known_secrets
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.local_processes import CLOSED, PACKET_FILTER, SCRIPT, probe_arguments
from tests.stack.attacks.shell import connect
from tests.stack.attacks.target import Target

SEARCH = (
    "grep -rslF --file=- /etc /home /root /run/cloud-init /tmp /var/cache /var/lib/cloud"
    " /var/lib/enrol /var/log || true"
)


def _read_user_data(target: Target) -> Outcome:
    command = f"python3 - '{probe_arguments(target, ['metadata'])}'"
    return Outcome(*json.loads(target.worker.shell.run(command, stdin=SCRIPT))["metadata"])


def _find_copies(target: Target) -> Outcome:
    """Search for lines of the key where a boot writes files."""
    lines = list(known_secrets.private_key_lines(target.first_boot_key[1]))
    assert lines
    copies = target.worker.shell.run(SEARCH, stdin="\n".join(lines)).split()
    return Outcome(bool(copies), f"copies: {copies}")


def _impersonate(target: Target) -> Outcome:
    """The holder of the first host key can impersonate the machine while the machine uses it."""
    transport = connect(target.worker.public)
    try:
        current = transport.get_remote_server_key().get_base64()
    finally:
        transport.close()
    first = target.first_boot_key[0].split()[1]
    return Outcome(current == first, f"the host key is {current}; the first one was {first}")


ATTACKS = [
    Attack(
        "As root on a worker: read user_data from the metadata service",
        _read_user_data,
        CLOSED,
        PACKET_FILTER,
    ),
    Attack(
        "As root on a worker: find a copy of the first boot's host key",
        _find_copies,
        r"^copies: \[\]",
        "its removal at enrolment",
    ),
    Attack(
        "Impersonate a worker with the first boot's host key",
        _impersonate,
        "key is AAAA",
        "its replacement at enrolment",
    ),
]
