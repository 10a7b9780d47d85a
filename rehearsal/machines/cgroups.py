"""A droplet's share of this machine: memory and CPU by control groups, version 1 or 2.

Version 1 is what the tests run on; version 2 is written by the kernel's documentation
(Documentation/admin-guide/cgroup-v2.rst) and marked untested in docs/rehearsal.md.
"""

import os
import signal
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CPU_PERIOD_US = 100_000
CROWD = 8
"""As how many processes all machines of a cloud count together where processors are short. By default a group counts as one,
and every other process of this machine as one too: the machines would boot last."""


class Group:
    """The control group ``path`` in every hierarchy of this machine."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._unified = (ROOT / "cgroup.controllers").exists()

    def _hierarchies(self) -> list[Path]:
        if self._unified:
            return [ROOT]
        return [
            entry
            for entry in sorted(ROOT.iterdir())
            if entry.is_dir() and not entry.is_symlink() and (entry / "cgroup.procs").exists()
        ]

    def make(self, *, memory_mb: int, vcpus: int) -> None:
        """Create the group, or set its limits anew.

        Args:
            memory_mb: MiB that its processes may use together.
            vcpus: processors' worth of time that they may use together.
        """
        for hierarchy in self._hierarchies():
            (hierarchy / self.path).mkdir(parents=True, exist_ok=True)
        if self._unified:
            self._delegate()
            self._write(ROOT, "memory.max", str(memory_mb << 20))
            self._write(ROOT, "cpu.max", f"{vcpus * CPU_PERIOD_US} {CPU_PERIOD_US}")
            (ROOT / self.path).parent.joinpath("cpu.weight").write_text(str(CROWD * 100))
            return
        # A cpuset starts empty, and takes no process until each of its parents has processors and memory nodes.
        cpuset = ROOT / "cpuset"
        for group in [*reversed(Path(self.path).parents[:-1]), Path(self.path)]:
            for file in ("cpuset.cpus", "cpuset.mems"):
                (cpuset / group / file).write_text((cpuset / file).read_text())
        self._write(ROOT / "memory", "memory.limit_in_bytes", str(memory_mb << 20))
        self._write(ROOT / "cpu", "cpu.cfs_period_us", str(CPU_PERIOD_US))
        self._write(ROOT / "cpu", "cpu.cfs_quota_us", str(vcpus * CPU_PERIOD_US))
        (ROOT / "cpu" / self.path).parent.joinpath("cpu.shares").write_text(str(CROWD * 1024))

    def _delegate(self) -> None:
        for parent in reversed(Path(self.path).parents):
            (ROOT / parent / "cgroup.subtree_control").write_text("+cpu +cpuset +memory +pids")

    def _write(self, hierarchy: Path, file: str, value: str) -> None:
        (hierarchy / self.path / file).write_text(value)

    def pids(self) -> list[int]:
        """Every process in the group and in the groups below it, in any hierarchy."""
        found: set[int] = set()
        for hierarchy in self._hierarchies():
            for group in self._below(hierarchy):
                try:
                    found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
                except OSError:
                    continue  # the group went away while we looked
        return sorted(found)

    def _below(self, hierarchy: Path) -> list[Path]:
        """The group in one hierarchy and all groups below it, parents first; one that goes away meanwhile is left out."""
        return [Path(directory) for directory, _, _ in os.walk(hierarchy / self.path)]

    def kill(self, seconds: float = 20) -> None:
        """Kill every process of the group and wait until they are gone.

        Raises:
            TimeoutError: some are still there after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {pids} of {self.path} outlive SIGKILL")
            time.sleep(0.02)

    def remove(self) -> None:
        """Kill what is left in the group and remove it everywhere."""
        self.kill()
        for hierarchy in self._hierarchies():
            for group in reversed(self._below(hierarchy)):
                group.rmdir()

    def remove_parent(self) -> None:
        """Remove the group above, if no other group is left in it."""
        for hierarchy in self._hierarchies():
            parent = (hierarchy / self.path).parent
            if parent.exists() and not any(entry.is_dir() for entry in parent.iterdir()):
                parent.rmdir()
