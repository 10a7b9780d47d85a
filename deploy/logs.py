"""Logs: a droplet's journal by ssh, and a job's output through Nomad."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from deploy.cluster import Allocation, Cluster, ClusterError

STREAMS = ("stderr", "stdout")
MAX_BYTES = 1 << 20
"""How much of the end of a stream is read to find its last lines."""
POLL_INTERVAL_S = 2.0
"""How often ``JobLogs.follow`` looks for new allocations."""


def journal_command(lines: int, follow: bool) -> list[str]:
    """Return the command that shows the agents' logs on a droplet."""
    command = ["sudo", "journalctl", "--no-pager", "--output=short-iso"]
    command += ["-u", "consul", "-u", "nomad", "-n", str(lines)]
    return [*command, "--follow"] if follow else command


class JobLogs:
    """The logs of one job.

    ``write`` takes each line, with its allocation and node in front; ``warn`` takes errors.
    """

    def __init__(
        self, cluster: Cluster, job: str, write: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._write = write
        self._warn = warn
        self._new_lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def show(self, lines: int) -> None:
        """Write the last ``lines`` of each allocation's streams.

        Raises:
            ClusterError: Nomad does not list the allocations.
        """
        for allocation, task, stream in self._streams():
            self._warn_on_error(self._show, allocation, task, stream, lines)

    def follow(self, lines: int) -> None:
        """Write the last ``lines`` and then each new line, until interrupted.

        Allocations that start later are followed too.

        Raises:
            ClusterError: Nomad does not list the allocations.
        """
        followed: set[tuple[Allocation, str, str]] = set()
        while True:
            for source in set(self._streams()) - followed:
                followed.add(source)
                threading.Thread(
                    target=self._warn_on_error, args=(self._follow, *source, lines), daemon=True
                ).start()
            next_poll = time.monotonic() + POLL_INTERVAL_S
            while (remaining := next_poll - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    self._write(self._new_lines.get(timeout=remaining))

    def _streams(self) -> list[tuple[Allocation, str, str]]:
        return [
            (allocation, task, stream)
            for allocation in self._cluster.allocations(self._job)
            for task in allocation.tasks
            for stream in STREAMS
        ]

    def _warn_on_error(
        self,
        read: Callable[[Allocation, str, str, int], None],
        allocation: Allocation,
        task: str,
        stream: str,
        lines: int,
    ) -> None:
        """Read one stream; an error does not keep the other streams from being read."""
        try:
            read(allocation, task, stream, lines)
        except ClusterError as error:
            self._warn(f"{allocation.short_id} {allocation.node}: cannot read {stream}: {error}")

    def _show(self, allocation: Allocation, task: str, stream: str, lines: int) -> None:
        for line in self._last_lines(allocation, task, stream, lines):
            self._write(_prefixed(allocation, line))

    def _follow(self, allocation: Allocation, task: str, stream: str, lines: int) -> None:
        size = sum(map(len, self._last_lines(allocation, task, stream, lines)))
        for line in self._cluster.log(allocation, task, stream, offset=size, follow=True):
            self._new_lines.put(_prefixed(allocation, line))

    def _last_lines(
        self, allocation: Allocation, task: str, stream: str, lines: int
    ) -> list[bytes]:
        """Return the last lines with their line ends."""
        return [*self._cluster.log(allocation, task, stream, offset=MAX_BYTES)][-lines:]


def _prefixed(allocation: Allocation, line: bytes) -> str:
    text = line.decode(errors="replace").rstrip()
    return f"{allocation.short_id} {allocation.node}  {text}"
