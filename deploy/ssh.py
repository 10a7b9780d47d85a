"""A shell on a droplet, by the user's own ssh, which trusts nothing but the host key that the stack made for it."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.account import Droplet

USER = "ops"
"""The administrator, who may use sudo; root has no way in."""
CONNECT_SECONDS = 10
HOST_KEY = "tls:index/privateKey:PrivateKey"


class UnknownHostError(Exception):
    """The stack's state holds no host key of the droplet."""


def known_host(droplet: Droplet, resources: Iterable[Mapping[str, Any]]) -> str:
    """The droplet's line for ssh's known hosts, by the state's ``resources``, which know it also when an update did not end.

    The line is by name and not by address: a later droplet may well get the same address, and has another key.

    Raises:
        UnknownHostError: they hold no key for it.
    """
    number = re.match(r"[a-z]+\d+", droplet.name)  # worker01nyc3 is worker01 to the state
    name = f"secrets-{number[0] if number else droplet.name}-host"
    for one in resources:
        if one["type"] == HOST_KEY and one["urn"].rpartition("::")[2] == name:
            return " ".join([droplet.name, *one["outputs"]["publicKeyOpenssh"].split()[:2]]) + "\n"
    raise UnknownHostError(
        f"the stack knows no host key of {droplet.name}: `up` makes it before the droplet"
    )


def command(droplet: Droplet, known_hosts: Path, words: Sequence[str] = ()) -> list[str]:
    """The ssh command that runs ``words`` on ``droplet``, or a shell; ``known_hosts`` is the file with its line.

    The user's key is the one in ``SLIPWAY_SSH_KEY``, else whichever the user's agent or own settings offer.
    """
    options = {
        "UserKnownHostsFile": str(known_hosts).replace("%", "%%"),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "HostKeyAlias": droplet.name,
        "CheckHostIP": "no",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "LogLevel": "ERROR",
    }
    key = os.environ.get("SLIPWAY_SSH_KEY")
    by_key = ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
    named = [word for option, value in options.items() for word in ("-o", f'{option}="{value}"')]
    return ["ssh", *named, *by_key, f"{USER}@{droplet.public}", *(["--", *words] if words else [])]
