"""A shell on a droplet, by the user's own ssh."""

import os
from collections.abc import Sequence
from pathlib import Path

from deploy.account import Droplet

USER = "root"
CONNECT_SECONDS = 10


def known_hosts(project: str, stack: str) -> Path:
    """Where the host keys of a stack's droplets are kept: with Pulumi's own files, so that those of a rehearsal go with it."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return home / "known_hosts" / f"{project}-{stack}"


def command(droplet: Droplet, hosts: Path, words: Sequence[str] = ()) -> list[str]:
    """The ssh command that runs ``words`` on ``droplet``, or a shell. ``hosts`` is made where it is missing.

    The key is the one in ``SLIPWAY_SSH_KEY``, else whichever the user's agent or own settings offer. A host key is taken
    on trust the first time and held to from then on, by the droplet's id and not its address: a later droplet may well
    get the same address, and has another key.
    """
    hosts.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "UserKnownHostsFile": str(hosts).replace("%", "%%"),
        "StrictHostKeyChecking": "accept-new",
        "HostKeyAlias": f"droplet-{droplet.id}",
        "CheckHostIP": "no",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "LogLevel": "ERROR",
    }
    key = os.environ.get("SLIPWAY_SSH_KEY")
    by_key = ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
    named = [word for option, value in options.items() for word in ("-o", f'{option}="{value}"')]
    return ["ssh", *named, *by_key, f"{USER}@{droplet.public}", *(["--", *words] if words else [])]
