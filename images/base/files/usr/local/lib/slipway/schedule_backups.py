"""Delivers to this prime what it needs to take backups, and starts the timer."""

import json
import subprocess
from pathlib import Path
from typing import Any

import files
import node

CONFIG = Path("/etc/slipway/backup.json")
TEXTS = (
    "url",
    "access_key",
    "secret_key",
    "certificate",
    "code_key",
    "consul_token",
    "nomad_token",
)
NUMBERS = ("period_h", "keep", "days")
TIMER = "take-backup.timer"


def schedule_backups(fields: dict[str, Any]) -> str:
    """Write the configuration of ``take_backup``, and return the outcome.

    Raises:
        node.NodeError: a field is missing or invalid, or this machine is no enrolled prime.
        subprocess.CalledProcessError: the timer does not start.
    """
    this_node, config = node.read(), {name: fields.get(name) for name in (*TEXTS, *NUMBERS)}
    if not this_node.is_prime:
        raise node.NodeError(f"{this_node.name} is a {this_node.role}; only a prime has backups")
    for name in TEXTS:
        node.require_text(config, name)
    for name in NUMBERS:
        if not isinstance(config[name], int):
            raise node.NodeError(f"{name} is missing or not a number")
    files.write_atomically(CONFIG, json.dumps(config), 0o600)
    subprocess.run(["systemctl", "start", TIMER], check=True, stdout=subprocess.DEVNULL)
    return "scheduled"
