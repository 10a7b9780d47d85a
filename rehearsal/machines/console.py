"""The console of a machine: the reason why it does not boot."""

import asyncio
import logging
from pathlib import Path

from rehearsal.polling import wait_until_async

log = logging.getLogger("rehearsal")

WATCH_TIMEOUT_S = 60
"""How long after its start a machine is watched; most boot within 10 s."""
WATCH_INTERVAL_S = 1.0
MAX_TAIL_CHARS = 500

LIMIT_MESSAGES = ("Too many open files", "Disk quota exceeded", "Resource temporarily unavailable")
"""What systemd reports if the host has no inotify instance, key or process left."""


class Console:
    """The output of one start of a machine, appended to ``file``."""

    def __init__(self, droplet_name: str, file: Path) -> None:
        self.file = file
        self._droplet_name = droplet_name
        self._start = file.stat().st_size if file.exists() else 0
        self._watch: asyncio.Task[None] | None = None

    def tail(self) -> str:
        """Return the end of the output."""
        text = self._read()[-MAX_TAIL_CHARS:].strip()
        return text or "systemd-nspawn printed nothing"

    def limit_problem(self) -> str | None:
        """Return the first line of the output that reports an exhausted limit of the host."""
        for line in self._read().splitlines():
            if any(message in line for message in LIMIT_MESSAGES):
                return line.strip()
        return None

    def watch_boot(self) -> None:
        """Log an exhausted limit of the host, which can make a machine boot without sshd."""
        self._watch = asyncio.create_task(self._log_limit_problem())

    def stop(self) -> None:
        """Stop watching."""
        if self._watch:
            self._watch.cancel()

    async def _log_limit_problem(self) -> None:
        if await wait_until_async(self.limit_problem, WATCH_TIMEOUT_S, WATCH_INTERVAL_S):
            log.error(
                "droplet %s may boot without sshd, because this host has reached a limit: %s; "
                "`python -m rehearsal up` raises the limits",
                self._droplet_name,
                self.limit_problem(),
            )

    def _read(self) -> str:
        if not self.file.exists():
            return ""
        with self.file.open(errors="replace") as file:
            file.seek(self._start)
            return file.read()
