"""Object contents on disk: one file per content, named by its SHA-256 hash."""

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from rehearsal import atomic_file

RESERVED_BYTES = 1024 * 1024
"""Disk space that no content may use, so that objects can be deleted when the disk is full."""


class BlobStore:
    """Immutable files in one directory. A file that exists is complete and survives a power cut."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, content: bytes) -> str:
        """Store ``content`` and return its name.

        Raises:
            OSError: the disk is full.
        """
        name = hashlib.sha256(content).hexdigest()
        file = self._directory / name
        if not file.exists():
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize < len(content) + RESERVED_BYTES:
                raise OSError(errno.ENOSPC, "only the space reserved for deletions is left")
            atomic_file.write(file, content)
        return name

    def read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)

    def delete_unreferenced(self, referenced: set[str]) -> None:
        """Delete every blob that is not in ``referenced``. A crash may leave such blobs."""
        names = [file.name for file in self._directory.iterdir()]
        self.delete(name for name in names if name not in referenced)
