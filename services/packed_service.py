"""A service as one file: what packing makes, the bucket stores and a Nomad client downloads."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PackedService:
    """A packed service on this machine, named by its content."""

    source: str
    """The service's folder under ``services/``."""
    path: Path
    sha256: str
    """Hexadecimal."""
    md5: str
    """Hexadecimal: the ETag of the stored object."""

    @property
    def key(self) -> str:
        """The key of the stored object."""
        return f"{self.source}/{self.sha256}.pyz"

    @property
    def checksum(self) -> str:
        """The checksum as Nomad's artifact block writes it."""
        return f"sha256:{self.sha256}"
