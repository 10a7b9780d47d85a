"""The background process that serves in the cloud's network namespace: its start and stop.

The services themselves are in rehearsal/network/guest_services.py.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.polling import wait_until_async
from rehearsal.subprocesses import CHILD_ENVIRONMENT, find_process
from rehearsal.topology import network_state_file
from rehearsal.topology.protocol import MachineError, NetworkState

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 5
PATH_VARIABLES = ("HOME", "SLIPWAY_STATE", "SLIPWAY_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME")
"""The variables that rehearsal/paths.py reads."""
CHECKOUT = Path(__file__).parents[2]


class GuestServices:
    """``python -m rehearsal guest-services`` in the cloud's namespace."""

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._pid_file = config.directory / "guest-services.pid"

    async def publish(self, network_state: NetworkState) -> None:
        """Give the process the current network state."""
        await asyncio.to_thread(network_state_file.write, self._config, network_state)

    async def start(self) -> None:
        """Start the process if it does not run, and wait until it serves.

        Raises:
            MachineError: it does not start.
        """
        if self._find_pid() is not None:
            return
        ready = self._config.directory / "guest-services.ready"
        ready.unlink(missing_ok=True)
        log_file = self._config.directory / "guest-services.log"
        variables = {name: os.environ[name] for name in PATH_VARIABLES if name in os.environ}
        serve = [sys.executable, "-m", "rehearsal", "guest-services", "--cloud", self._config.name]
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self._config.netns, *serve],
                cwd=CHECKOUT,
                env={**CHILD_ENVIRONMENT, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(str(process.pid))
        await wait_until_async(
            lambda: ready.exists() or process.poll() is not None, START_TIMEOUT_S
        )
        if not ready.exists():
            raise MachineError(f"the services in the cloud's network do not start: see {log_file}")

    async def stop(self) -> None:
        """Stop the process: SIGTERM, then SIGKILL after a timeout."""
        pid = self._find_pid()
        if pid is not None:
            os.killpg(pid, signal.SIGTERM)
            if not await wait_until_async(lambda: self._find_pid() is None, STOP_TIMEOUT_S):
                os.killpg(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)

    def _find_pid(self) -> int | None:
        return find_process(self._pid_file, "guest-services", self._config.name)
