"""Files that are replaced as a whole, for their owner's eyes only: who reads one sees all of a version or nothing of it."""

import os
from pathlib import Path

Stamp = tuple[int, int, int]


def write(target: Path, content: bytes) -> None:
    """Put a file in the place of the former one; it is on disk when this returns. Its directory is made if it is not there.

    Raises:
        OSError: the disk is full; the former file is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = target.with_name(f"{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    # A file is there for good once its directory is on disk.
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def stamp(file: Path) -> Stamp | None:
    """What is another after the file was replaced; nothing while there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
