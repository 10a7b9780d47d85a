"""The network state as a file, for the processes that serve in the cloud's network namespace."""

from pathlib import Path

from rehearsal import atomic_file
from rehearsal.config import CloudConfig
from rehearsal.topology.protocol import NetworkState


def write(config: CloudConfig, network_state: NetworkState) -> None:
    """Replace the file. Only root may read it, because it contains the droplets' user data."""
    atomic_file.write(_path(config), network_state.model_dump_json().encode())


def _path(config: CloudConfig) -> Path:
    return config.directory / "network_state.json"


class NetworkStateFile:
    """A reader of ``network_state.json``; the network state is empty while there is no file."""

    def __init__(self, config: CloudConfig) -> None:
        self._file = atomic_file.CachedFile(
            _path(config), NetworkState.model_validate_json, missing=NetworkState()
        )

    def current(self) -> NetworkState:
        """Return the network state as last written."""
        return self._file.current()
