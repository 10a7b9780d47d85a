"""Files as they should be: whole or not at all, and never open to more than they are meant for, not for a moment."""

import grp
import os
import shutil
from pathlib import Path


def gid(group: str) -> int:
    """Raises:
    KeyError: this machine has no such group.
    """
    return grp.getgrnam(group).gr_gid


def write(path: Path, text: str, mode: int, group: str = "root") -> bool:
    """Write ``text`` under ``path``, replacing what is there; returns whether that changed anything."""
    owner = gid(group)
    if path.is_file() and not path.is_symlink():
        found = path.stat()
        if (found.st_mode & 0o7777, found.st_gid) == (mode, owner) and path.read_text() == text:
            return False
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fchown(file.fileno(), -1, owner)
        os.fchmod(file.fileno(), mode)
    fresh.replace(path)
    return True


def directory(path: Path, mode: int, group: str = "root") -> None:
    """Make ``path`` if it is not there, and have it belong to ``group``."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(path, -1, gid(group))
    path.chmod(mode)


def remove(path: Path) -> bool:
    """Have nothing under ``path``; returns whether there was something."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return True
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
