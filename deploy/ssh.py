"""The ssh command to a droplet, which trusts only the host key that the stack made for it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.account import Droplet
from deploy.errors import DeployError
from deploy.failure import name_of
from infra import names

USER = "ops"
"""The administrator, who may use sudo. Root cannot log in."""
CONNECT_TIMEOUT_S = 10


class UnknownHostError(DeployError):
    """The stack's state has no host key of the droplet."""


def known_hosts_line(droplet: Droplet, resources: Iterable[Mapping[str, Any]], stack: str) -> str:
    """Return the droplet's line of a known hosts file, from the host key in the state.

    The line names the droplet and not its address: a later droplet may get the same address, and
    has another key. The state has the key even if the update that made the droplet failed.

    Raises:
        UnknownHostError: the state has no host key of the droplet.
    """
    key_name = names.host_key_name(names.label_of_droplet(droplet.name))
    for resource in resources:
        if resource["type"] == names.HOST_KEY_TYPE and name_of(resource["urn"]) == key_name:
            key_type_and_key = resource["outputs"]["publicKeyOpenssh"].split()[:2]
            return " ".join([droplet.name, *key_type_and_key]) + "\n"
    raise UnknownHostError(
        f"the stack's state has no host key of {droplet.name}; run "
        f"`python -m deploy up {stack}` first"
    )


def command(droplet: Droplet, known_hosts: Path, words: Sequence[str] = ()) -> list[str]:
    """Return the ssh command that runs ``words`` on ``droplet``, or a shell.

    The user's key is the file in ``SLIPWAY_SSH_KEY``; otherwise ssh uses the user's agent and
    configuration.

    Args:
        known_hosts: a file with the droplet's line.
    """
    options = {
        "UserKnownHostsFile": str(known_hosts).replace("%", "%%"),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "HostKeyAlias": droplet.name,
        "CheckHostIP": "no",
        "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        "LogLevel": "ERROR",
    }
    key = os.environ.get("SLIPWAY_SSH_KEY")
    identity = ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
    arguments = [word for name, value in options.items() for word in ("-o", f'{name}="{value}"')]
    remote_command = ["--", *words] if words else []
    return ["ssh", *arguments, *identity, f"{USER}@{droplet.public}", *remote_command]
