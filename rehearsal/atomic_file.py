"""Files that are replaced atomically, and readers that notice the replacement."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


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

    def __init__(self, file: Path, parse: Callable[[], T]) -> None:
        self._file = file
        self._parse = parse
        self._lock = threading.Lock()
        self._version = self._current_version()
        self._content = parse()

    def current(self) -> T:
        """Return the content; the same object as long as the file is unchanged."""
        with self._lock:
            version = self._current_version()
            if version != self._version:
                self._content, self._version = self._parse(), version
            return self._content

    def _current_version(self) -> tuple[int, int, int] | None:
        """Return a value that differs after each replacement; None while there is no file."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
