#!/usr/bin/python3
"""Grow the root partition and its file system to the size of the disk, after a resize."""

import os
import subprocess
import sys
from pathlib import Path

SYS = Path("/sys")
GROWPART_NO_CHANGE = 1
"""growpart's exit status when the partition already fills the disk; greater ones are failures."""


def find_partition(device: int) -> tuple[str, str, str] | None:
    """Return the partition, disk and partition number of a device: ``("vda1", "vda", "1")``.

    None if the device is no partition: in a container, or on a disk without partitions.
    """
    entry = (SYS / f"dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    number = entry / "partition"
    return (entry.name, entry.parent.name, number.read_text().strip()) if number.exists() else None


def main() -> int:
    """Grow the root file system; return the exit status of the command that failed, or 0."""
    found = find_partition(Path("/").stat().st_dev)
    if found is None:
        print("grow-root: the root file system is not on a partition")
        return 0
    partition, disk, number = found
    command = ["/usr/bin/growpart", f"/dev/{disk}", number]
    status = subprocess.run(command, check=False).returncode
    if status > GROWPART_NO_CHANGE:
        return status
    # Also without a change: an earlier run may have been interrupted before this command.
    return subprocess.run(["/usr/sbin/resize2fs", f"/dev/{partition}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
