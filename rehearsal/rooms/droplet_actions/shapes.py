"""What a droplet can be asked to do, on the wire."""

from typing import Literal

from rehearsal.records import BackupPolicy
from rehearsal.wire import Body

ActionType = Literal[
    "power_on",
    "power_off",
    "shutdown",
    "reboot",
    "power_cycle",
    "snapshot",
    "rebuild",
    "resize",
    "rename",
    "enable_backups",
    "disable_backups",
    "change_backup_policy",
    "enable_ipv6",
    "enable_private_networking",
]


class DropletAction(Body):
    """One request for all types; which field belongs to which type is for the rules."""

    type: ActionType
    name: str = ""
    """Of a rename or a snapshot."""
    size: str = ""
    disk: bool = False
    image: int | str = ""
    backup_policy: BackupPolicy | None = None
