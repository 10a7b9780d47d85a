"""Writing and removing files; a written file is complete and never readable by more than meant."""

import grp
import os
import shutil
from pathlib import Path


def group_id(group: str) -> int:
    """Return the id of a group.

    Raises:
        KeyError: this machine has no such group.
    """
    return grp.getgrnam(group).gr_gid


def write_atomically(path: Path, text: str, mode: int, group: str = "root") -> bool:
    """Replace ``path`` by a file with ``text``; return whether that changed anything."""
    gid = group_id(group)
    if path.is_file() and not path.is_symlink():
        status = path.stat()
        if (status.st_mode & 0o7777, status.st_gid) == (mode, gid) and path.read_text() == text:
            return False
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fchown(file.fileno(), -1, gid)
        os.fchmod(file.fileno(), mode)
    new.replace(path)
    return True


def ensure_directory(path: Path, mode: int, group: str = "root") -> None:
    """Create the directory if it is missing, and set its mode and group."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(path, -1, group_id(group))
    path.chmod(mode)


def remove(path: Path) -> bool:
    """Remove a file or a directory with its content; return whether there was one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return True
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
