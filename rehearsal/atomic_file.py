"""Files that are replaced atomically, and readers that notice the replacement."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

T = TypeVar("T")

Version = tuple[int, int, int, int]


def write(target: Path, content: bytes) -> None:
    """Replace ``target`` atomically; the new content is on disk when this returns.

    Only the owner may read the file. A missing parent directory is created.

    Raises:
        OSError: the disk is full, for example; the former file is unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(f"{target.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The rename is durable only once the directory is on disk too.
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class CachedFile(Generic[T]):
    """The parsed content of a file, parsed again after the file is replaced. Thread-safe."""

    def __init__(self, file: Path, parse: Callable[[bytes], T], missing: T) -> None:
        """``missing`` is the value while there is no file."""
        self._path = file
        self._parse = parse
        self._missing = missing
        self._value = missing
        self._version: Version | None = None
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def current(self) -> T:
        """Return the value; the same object as long as the file is unchanged.

        Raises:
            ValueError: ``parse`` rejects the content.
        """
        with self._lock:
            try:
                if _version(self._path.stat()) != self._version:
                    self._load()
            except FileNotFoundError:
                self._close()
                self._value = self._missing
            return self._value

    def close(self) -> None:
        with self._lock:
            self._close()

    def _load(self) -> None:
        self._close()
        # The file stays open until the next one is read, so no newer file has its inode number.
        self._file = self._path.open("rb")
        self._value = self._parse(self._file.read())
        self._version = _version(os.fstat(self._file.fileno()))

    def _close(self) -> None:
        self._version = None
        if self._file is not None:
            self._file.close()
            self._file = None


def _version(status: os.stat_result) -> Version:
    """Return a value that differs after each replacement of a file."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
