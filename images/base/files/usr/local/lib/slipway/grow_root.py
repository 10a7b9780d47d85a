#!/usr/bin/python3
"""Has the root file system fill its disk, which may have been made larger. Nothing to grow is no failure."""

import os
import subprocess
import sys
from pathlib import Path

SYS = Path("/sys")
NO_CHANGE = 1
"""How growpart exits when the partition is as large as it can be; more is a failure."""


def partition(device: int) -> tuple[str, str, str] | None:
    """Where the file system on ``device`` is, its disk and its number there: ``("vda1", "vda", "1")``.

    None where that is no partition: in a container, or on a disk that has none.
    """
    found = (SYS / f"dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    number = found / "partition"
    return (found.name, found.parent.name, number.read_text().strip()) if number.exists() else None


def main() -> int:
    found = partition(Path("/").stat().st_dev)
    if found is None:
        print("grow-root: the root file system is on no partition")
        return 0
    name, disk, number = found
    grown = subprocess.run(["/usr/bin/growpart", f"/dev/{disk}", number], check=False).returncode
    if grown > NO_CHANGE:
        return grown
    # Also if it did not change: it may have been interrupted between the two.
    return subprocess.run(["/usr/sbin/resize2fs", f"/dev/{name}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
