"""Request bodies of droplet actions."""

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
    """The body of all action types. The service checks the fields of each type."""

    type: ActionType
    name: str = ""
    """For rename and snapshot."""
    size: str = ""
    disk: bool = False
    image: int | str = ""
    """For rebuild: an id or a slug. For restore: the id of one of the droplet's snapshots."""
    backup_policy: BackupPolicy | None = None
