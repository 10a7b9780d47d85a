"""Contents of objects on disk, each in a file named by its hash: written once, whole, and there after a power cut."""

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from rehearsal import atomic_file

RESERVE = 1024 * 1024
"""Bytes of the disk that no content takes: whoever filled it must be able to delete something."""


class BlobStore:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, content: bytes) -> str:
        """The name under which the content is on disk.

        Raises:
            OSError: the disk is full.
        """
        name = hashlib.sha256(content).hexdigest()
        file = self._directory / name
        if not file.exists():
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize < len(content) + RESERVE:
                raise OSError(errno.ENOSPC, "no space is left but what is reserved for deletions")
            atomic_file.write(file, content)
        return name

    def read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)

    def sweep(self, used: set[str]) -> None:
        """Remove all others, which a crash may have left."""
        self.drop(file.name for file in list(self._directory.iterdir()) if file.name not in used)
