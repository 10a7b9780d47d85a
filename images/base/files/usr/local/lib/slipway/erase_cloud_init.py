"""Erase the user_data of the first boot and disable cloud-init.

user_data holds the host key of the first boot. cloud-init keeps copies of it.
"""

from pathlib import Path

import files

COPIES = (
    "var/lib/cloud/instance",
    "var/lib/cloud/instances/*",
    "var/lib/cloud/seed/*",
    "run/cloud-init/instance-data*",
    "run/cloud-init/combined-cloud-config.json",
    "var/log/cloud-init*.log",
)
DISABLED_MARKER = "etc/cloud/cloud-init.disabled"


def erase_cloud_init(root: Path) -> None:
    """Delete cloud-init's copies of user_data under ``root``, and disable it at later boots."""
    for pattern in COPIES:
        for path in root.glob(pattern):
            files.remove(path)
    if (root / DISABLED_MARKER).parent.is_dir():
        files.write_atomically(root / DISABLED_MARKER, "", 0o644)
