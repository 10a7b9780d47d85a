"""What a droplet can be asked to do, on the wire."""

from typing import Literal

from rehearsal.api.schemas import BackupPolicy, Body

ActionType = Literal[
    "power_on",
    "power_off",
    "shutdown",
    "reboot",
    "power_cycle",
    "snapshot",
    "restore",
    "rebuild",
    "resize",
    "rename",
    "password_reset",
    "change_kernel",
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
    """Of a rebuild: an id or a slug; of a restore: the id of a snapshot of the droplet."""
    backup_policy: BackupPolicy | None = None
