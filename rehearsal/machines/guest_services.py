"""The process that serves inside the cloud's network (rehearsal/network/guest_services.py): started, fed with the fabric, stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.subprocesses import CLEAN
from rehearsal.topology.protocol import MachineError, NetworkState

START_SECONDS = 30
ROOTS = ("HOME", "SLIPWAY_STATE", "SLIPWAY_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME")
"""What paths.py reads."""
ROOT = Path(__file__).parents[2]


class Inside:
    """``python -m rehearsal inside`` in the cloud's namespace."""

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._pidfile = config.directory / "inside.pid"

    def publish(self, network_state: NetworkState) -> None:
        """Hand over the fabric; it holds user data, so only root may read it."""
        file = self._config.directory / "fabric.json"
        new = file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(network_state.model_dump_json())
        new.rename(file)

    def _pid(self) -> int | None:
        try:
            pid = int(self._pidfile.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if b"inside" in words and self._config.name.encode() in words else None

    async def start(self) -> None:
        """Start it if it is not running, and wait until it serves.

        Raises:
            MachineError: it does not come up.
        """
        if self._pid() is not None:
            return
        ready = self._config.directory / "inside.ready"
        ready.unlink(missing_ok=True)
        log_file = self._config.directory / "inside.log"
        roots = {key: os.environ[key] for key in ROOTS if key in os.environ}
        command = [
            "ip",
            "netns",
            "exec",
            self._config.netns,
            sys.executable,
            "-m",
            "rehearsal",
            "inside",
            "--cloud",
            self._config.name,
        ]
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**CLEAN, **roots},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pidfile.write_text(str(process.pid))
        for _ in range(START_SECONDS * 20):
            if ready.exists():
                return
            if process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise MachineError(f"the services inside the network do not start: see {log_file}")

    async def stop(self) -> None:
        """End it: asked first, killed after five seconds."""
        pid = self._pid()
        if pid is not None:
            os.killpg(pid, signal.SIGTERM)
            for _ in range(100):
                if self._pid() is None:
                    break
                await asyncio.sleep(0.05)
            else:
                os.killpg(pid, signal.SIGKILL)
        self._pidfile.unlink(missing_ok=True)
