"""Running the host's tools, with errors that say which one failed and why."""

import asyncio
import os

CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The environment of every child: what a user's shell holds (certificate bundles, proxies) must not steer a droplet."""


class CommandError(Exception):
    """A command ended with a non-zero status; the message holds the command and what it printed."""


async def run(*command: str | os.PathLike[str], stdin: str | None = None) -> str:
    """Run ``command`` to its end and return what it printed.

    Raises:
        CommandError: it failed.
    """
    argv = [os.fspath(word) for word in command]
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=CLEAN,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode() if stdin is not None else None)
    if process.returncode:
        raise CommandError(
            f"{' '.join(argv)} ended with {process.returncode}: {(err or out).decode(errors='replace').strip()}"
        )
    return out.decode(errors="replace")
