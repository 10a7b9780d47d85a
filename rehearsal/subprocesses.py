"""Running the host's tools, and finding background processes by their PID file."""

import asyncio
import os
from pathlib import Path

CHILD_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
"""The environment of every child process. A user's own variables, such as certificate bundles and
proxies, must not affect a droplet."""


class CommandError(Exception):
    """A command ended with a non-zero status; the message has the command and its output."""


async def run(*command: str | os.PathLike[str], stdin: str | None = None) -> str:
    """Run ``command`` and return its standard output.

    Raises:
        CommandError: the command failed.
    """
    argv = [os.fspath(word) for word in command]
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=CHILD_ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode() if stdin is not None else None)
    if process.returncode:
        output = (err or out).decode(errors="replace").strip()
        raise CommandError(f"{' '.join(argv)} ended with {process.returncode}: {output}")
    return out.decode(errors="replace")


def find_process(pid_file: Path, *words: str) -> int | None:
    """Return the process ID in ``pid_file``, or None if that process has ended.

    The command line must contain ``words`` as arguments: the system may have given the number to
    another program since the file was written.
    """
    try:
        pid = int(pid_file.read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if all(word.encode() in arguments for word in words) else None
