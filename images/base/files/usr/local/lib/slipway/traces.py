"""What the first boot left behind: user_data, and the copies that cloud-init keeps of it and of the one-time host key in it."""

from pathlib import Path

import files

TRACES = (
    "var/lib/cloud/instance",
    "var/lib/cloud/instances/*",
    "var/lib/cloud/seed/*",
    "run/cloud-init/instance-data*",
    "run/cloud-init/combined-cloud-config.json",
    "var/log/cloud-init*.log",
)
DISABLED = "etc/cloud/cloud-init.disabled"


def erase(root: Path) -> None:
    """Remove them, and have cloud-init do nothing at later boots, when nobody has anything to tell it."""
    for pattern in TRACES:
        for path in root.glob(pattern):
            files.remove(path)
    if (root / DISABLED).parent.is_dir():
        files.write(root / DISABLED, "", 0o644)
