"""The fabric as the processes inside the cloud's namespace read it: from a file, again whenever it changes."""

import threading
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.machines.protocol import Fabric


class FabricFile:
    """``fabric.json`` of a cloud. It is replaced as a whole by its writer; until it is there, the fabric is empty."""

    def __init__(self, config: CloudConfig) -> None:
        self._file: Path = config.directory / "fabric.json"
        self._stamp: tuple[int, int, int] | None = None
        self._fabric = Fabric()
        self._lock = threading.Lock()

    def current(self) -> Fabric:
        """The fabric as last written."""
        with self._lock:
            if self._file.exists():
                facts = self._file.stat()
                stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
                if stamp != self._stamp:
                    self._fabric = Fabric.model_validate_json(self._file.read_bytes())
                    self._stamp = stamp
            return self._fabric
