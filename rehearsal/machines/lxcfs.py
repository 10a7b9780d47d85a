"""lxcfs: shows each machine its own memory and processors in /proc, like a droplet of its size."""

import os
import signal
import subprocess
from pathlib import Path

from rehearsal.polling import wait_until_async
from rehearsal.subprocesses import CHILD_ENVIRONMENT, find_process
from rehearsal.topology.protocol import MachineError

PROC_FILES = ("cpuinfo", "loadavg", "meminfo", "swaps", "uptime")
"""Without ``stat``: lxcfs measures no processor time with version 1 control groups, so idle
processors of the host are more useful."""

GUEST_MOUNT = "/run/lxcfs"
START_TIMEOUT_S = 5
STOP_TIMEOUT_S = 5


class Lxcfs:
    """One lxcfs process for a cloud, mounted at ``mount``; machines bind-mount its files."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self._pid_file = mount.with_name("lxcfs.pid")
        self._log_file = mount.with_name("lxcfs.log")

    def bind_options(self) -> list[str]:
        """Return the options for systemd-nspawn.

        It can bind into /proc only from inside the machine, so the mount is bound there first.
        """
        return [
            f"--bind-ro={self._mount}:{GUEST_MOUNT}",
            *(f"--bind-ro={GUEST_MOUNT}/proc/{name}:/proc/{name}" for name in PROC_FILES),
        ]

    async def start(self) -> None:
        """Start lxcfs if it does not run.

        Raises:
            MachineError: it does not start.
        """
        if self._is_serving():
            return
        await self.stop()
        self._mount.mkdir(parents=True, exist_ok=True)
        options = ["--foreground", "--enable-cfs", f"--pidfile={self._pid_file}"]
        with self._log_file.open("ab") as log:
            process = subprocess.Popen(
                ["lxcfs", *options, str(self._mount)],
                env=CHILD_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await wait_until_async(
            lambda: self._is_serving() or process.poll() is not None, START_TIMEOUT_S
        )
        if not self._is_serving():
            raise MachineError(f"lxcfs does not start: see {self._log_file}")

    async def stop(self) -> None:
        """Stop the process and remove its mount."""
        pid = find_process(self._pid_file, "lxcfs")
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            await wait_until_async(lambda: not os.path.ismount(self._mount), STOP_TIMEOUT_S)
        self._pid_file.unlink(missing_ok=True)
        if os.path.ismount(self._mount):
            subprocess.run(["umount", "--lazy", self._mount], env=CHILD_ENVIRONMENT, check=True)

    def _is_serving(self) -> bool:
        try:
            return os.path.ismount(self._mount) and (self._mount / "proc/meminfo").exists()
        except OSError:
            return False
