"""The fabric as the processes inside the cloud's namespace read it: from a file, again whenever it changes."""

import threading
from pathlib import Path

from rehearsal import atomic_file
from rehearsal.config import CloudConfig
from rehearsal.topology.protocol import NetworkState


class NetworkStateFile:
    """``network_state.json`` of a cloud. It is replaced as a whole by its writer; until it is there, the fabric is empty."""

    def __init__(self, config: CloudConfig) -> None:
        self._file: Path = config.directory / "fabric.json"
        self._stamp: atomic_file.Stamp | None = None
        self._fabric = NetworkState()
        self._lock = threading.Lock()

    def current(self) -> NetworkState:
        """The fabric as last written."""
        with self._lock:
            stamp = atomic_file.stamp(self._file)
            if stamp and stamp != self._stamp:
                self._fabric = NetworkState.model_validate_json(self._file.read_bytes())
                self._stamp = stamp
            return self._fabric
