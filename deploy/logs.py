"""What agents and instances logged: a droplet's journal over ssh, a job's output through Nomad."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from deploy.cluster import Cluster, ClusterError, Instance

STREAMS = ("stderr", "stdout")
MOST_BYTES = 1 << 20
"""What is read of the end of a stream at most, to find its last lines."""
LOOK_SECONDS = 2.0
"""How often a follower looks for new instances."""


def journal(lines: int, follow: bool) -> list[str]:
    """The command that shows what the agents of a droplet logged, there."""
    command = [
        "sudo",
        "journalctl",
        "--no-pager",
        "--output=short-iso",
        "-u",
        "consul",
        "-u",
        "nomad",
        "-n",
        str(lines),
    ]
    return [*command, "--follow"] if follow else command


class JobLogs:
    """The logs of one job. ``tell`` takes each line, prefixed by its instance and node; ``warn`` takes what could not be read."""

    def __init__(
        self, cluster: Cluster, job: str, tell: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._tell = tell
        self._warn = warn
        self._new: queue.SimpleQueue[str] = queue.SimpleQueue()

    def show(self, lines: int) -> None:
        """Tell the last ``lines`` of each instance's streams.

        Raises:
            ClusterError: Nomad cannot be asked for the instances.
        """
        for instance, task, stream in self._streams():
            self._guarded(self._show, instance, task, stream, lines)

    def follow(self, lines: int) -> None:
        """Tell the last ``lines`` and then each new one, also of instances that start later, until interrupted.

        Raises:
            ClusterError: Nomad cannot be asked for the instances.
        """
        followed: set[tuple[Instance, str, str]] = set()
        while True:
            for source in set(self._streams()) - followed:
                followed.add(source)
                threading.Thread(
                    target=self._guarded, args=(self._follow, *source, lines), daemon=True
                ).start()
            look = time.monotonic() + LOOK_SECONDS
            while (left := look - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    self._tell(self._new.get(timeout=left))

    def _streams(self) -> list[tuple[Instance, str, str]]:
        instances = self._cluster.instances(self._job)
        return [
            (instance, task, stream)
            for instance in instances
            for task in instance.tasks
            for stream in STREAMS
        ]

    def _guarded(
        self,
        read: Callable[[Instance, str, str, int], None],
        instance: Instance,
        task: str,
        stream: str,
        lines: int,
    ) -> None:
        """One stream that cannot be read, of a node that is gone, say, keeps nobody from the others."""
        try:
            read(instance, task, stream, lines)
        except ClusterError as error:
            self._warn(f"{instance.number} {instance.node}: {stream} cannot be read: {error}")

    def _show(self, instance: Instance, task: str, stream: str, lines: int) -> None:
        for line in self._last(instance, task, stream, lines):
            self._tell(_prefixed(instance, line))

    def _follow(self, instance: Instance, task: str, stream: str, lines: int) -> None:
        size = sum(map(len, self._last(instance, task, stream, lines)))
        for line in self._cluster.log(instance, task, stream, offset=size, follow=True):
            self._new.put(_prefixed(instance, line))

    def _last(self, instance: Instance, task: str, stream: str, lines: int) -> list[bytes]:
        """The last lines with their ends."""
        return [*self._cluster.log(instance, task, stream, offset=MOST_BYTES)][-lines:]


def _prefixed(instance: Instance, line: bytes) -> str:
    return f"{instance.number} {instance.node}  {line.decode(errors='replace').rstrip()}"
