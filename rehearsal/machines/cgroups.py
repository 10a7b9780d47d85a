"""A droplet's memory and processor time on this machine: control groups of version 1 or 2.

The tests run on version 1. The code for version 2 follows the kernel's documentation
(Documentation/admin-guide/cgroup-v2.rst); docs/rehearsal.md marks it as untested.
"""

import contextlib
import os
import signal
from pathlib import Path

from rehearsal.polling import wait_until

ROOT = Path("/sys/fs/cgroup")
CPU_PERIOD_US = 100_000
CPU_SHARE_FACTOR = 8
"""Processor shares of all machines together, in shares of one process of the host. With the default
of 1, machines would be served last on a busy host, and their requests would time out."""
KILL_TIMEOUT_S = 20


class Group:
    """The control group ``path`` in every hierarchy of this machine."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_unified = (ROOT / "cgroup.controllers").exists()

    def _hierarchies(self) -> list[Path]:
        if self.is_unified:
            return [ROOT]
        return [
            entry
            for entry in sorted(ROOT.iterdir())
            if entry.is_dir() and not entry.is_symlink() and (entry / "cgroup.procs").exists()
        ]

    def create(self, *, memory_mb: int, vcpus: int) -> None:
        """Create the group, or update its limits.

        Args:
            memory_mb: the memory limit of all its processes, in MiB.
            vcpus: the limit of their processor time, in processors.
        """
        for hierarchy in self._hierarchies():
            (hierarchy / self.path).mkdir(parents=True, exist_ok=True)
        if self.is_unified:
            self._delegate()
            self._write(ROOT, "memory.max", str(memory_mb << 20))
            self._write(ROOT, "cpu.max", f"{vcpus * CPU_PERIOD_US} {CPU_PERIOD_US}")
            self._write_to_parents(ROOT, "cpu.weight", CPU_SHARE_FACTOR * 100)
            return
        # A new cpuset is empty, and accepts no process before each parent has processors and nodes.
        cpuset = ROOT / "cpuset"
        for group in [*reversed(Path(self.path).parents[:-1]), Path(self.path)]:
            for file in ("cpuset.cpus", "cpuset.mems"):
                (cpuset / group / file).write_text((cpuset / file).read_text())
        self._write(ROOT / "memory", "memory.limit_in_bytes", str(memory_mb << 20))
        self._write(ROOT / "cpu", "cpu.cfs_period_us", str(CPU_PERIOD_US))
        self._write(ROOT / "cpu", "cpu.cfs_quota_us", str(vcpus * CPU_PERIOD_US))
        self._write_to_parents(ROOT / "cpu", "cpu.shares", CPU_SHARE_FACTOR * 1024)

    def _delegate(self) -> None:
        for parent in reversed(Path(self.path).parents):
            (ROOT / parent / "cgroup.subtree_control").write_text("+cpu +cpuset +memory +pids")

    def _write(self, hierarchy: Path, file: str, value: str) -> None:
        (hierarchy / self.path / file).write_text(value)

    def _write_to_parents(self, hierarchy: Path, file: str, value: int) -> None:
        """Write to the group of the cloud and to that of all clouds, a sibling of the host's."""
        for parent in Path(self.path).parents[:-1]:
            (hierarchy / parent / file).write_text(str(value))

    def pids(self) -> list[int]:
        """Return every process in the group and in the groups below it, in any hierarchy."""
        pids: set[int] = set()
        for hierarchy in self._hierarchies():
            for group in self._below(hierarchy):
                try:
                    pids.update(int(line) for line in (group / "cgroup.procs").read_text().split())
                except OSError:
                    continue  # the group was removed meanwhile
        return sorted(pids)

    def _below(self, hierarchy: Path) -> list[Path]:
        """Return the group and all groups below it in one hierarchy, parents first."""
        return [Path(directory) for directory, _, _ in os.walk(hierarchy / self.path)]

    def kill(self) -> None:
        """Kill every process of the group and wait until they have ended.

        Raises:
            TimeoutError: some still exist after ``KILL_TIMEOUT_S``.
        """

        def is_empty() -> bool:
            pids = self.pids()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        if not wait_until(is_empty, KILL_TIMEOUT_S):
            raise TimeoutError(f"processes {self.pids()} of {self.path} outlive SIGKILL")

    def remove(self) -> None:
        """Kill the processes of the group and remove it from every hierarchy."""
        self.kill()
        for hierarchy in self._hierarchies():
            for group in reversed(self._below(hierarchy)):
                group.rmdir()

    def remove_parent(self) -> None:
        """Remove the parent group if it is empty."""
        for hierarchy in self._hierarchies():
            parent = (hierarchy / self.path).parent
            if parent.exists() and not any(entry.is_dir() for entry in parent.iterdir()):
                parent.rmdir()
