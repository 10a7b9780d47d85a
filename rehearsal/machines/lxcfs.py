"""lxcfs: shows each machine its own memory and processors in /proc, as a droplet of its size would."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from rehearsal.subprocesses import CLEAN
from rehearsal.topology.protocol import MachineError

FILES = ("cpuinfo", "loadavg", "meminfo", "swaps", "uptime")
"""Not stat: with control groups of version 1 lxcfs counts no time there, and idle processors of this machine beat none."""

INSIDE = "/run/lxcfs"


class Lxcfs:
    """One lxcfs process for a cloud, mounted at ``mount``; machines bind its files over theirs."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self._pidfile = mount.with_name("lxcfs.pid")

    def binds(self) -> list[str]:
        """The options of systemd-nspawn. It binds into /proc from inside, hence the detour over /run."""
        return [
            f"--bind-ro={self._mount}:{INSIDE}",
            *(f"--bind-ro={INSIDE}/proc/{name}:/proc/{name}" for name in FILES),
        ]

    def _mounted(self) -> bool:
        try:
            return os.path.ismount(self._mount) and (self._mount / "proc/meminfo").exists()
        except OSError:
            return False

    async def start(self) -> None:
        """Start it if it is not running.

        Raises:
            MachineError: it does not come up.
        """
        if self._mounted():
            return
        await self.stop()
        self._mount.mkdir(parents=True, exist_ok=True)
        with self._mount.with_name("lxcfs.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    "lxcfs",
                    "--foreground",
                    "--enable-cfs",
                    f"--pidfile={self._pidfile}",
                    str(self._mount),
                ],
                env=CLEAN,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(100):
            if self._mounted():
                return
            if process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise MachineError(f"lxcfs does not start: see {self._mount.with_name('lxcfs.log')}")

    async def stop(self) -> None:
        """End the process, and the mount with it."""
        if self._pidfile.exists():
            try:
                pid = int(self._pidfile.read_text())
                if Path(f"/proc/{pid}/comm").read_text().strip() == "lxcfs":
                    os.kill(pid, signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError, ValueError):
                pid = 0
            for _ in range(100):
                if not os.path.ismount(self._mount):
                    break
                await asyncio.sleep(0.05)
            self._pidfile.unlink(missing_ok=True)
        if os.path.ismount(self._mount):
            subprocess.run(["umount", "--lazy", self._mount], env=CLEAN, check=True)
