"""The instance of a service that replies, as its replies name it."""

import os
from dataclasses import asdict, dataclass

SHORT_ID_CHARACTERS = 8
"""Length of a short allocation id, as Nomad's command line prints it."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One running instance of a service."""

    service: str
    version: str
    """The first characters of the packed file's hash."""
    instance: str
    """The short id of the Nomad allocation."""
    node: str

    @classmethod
    def from_environment(cls, service: str) -> "Instance":
        """Return this process, from the task's environment; ``local`` outside Nomad."""
        return cls(
            service=service,
            version=os.environ.get("SERVICE_VERSION", "local"),
            instance=os.environ.get("NOMAD_ALLOC_ID", "local")[:SHORT_ID_CHARACTERS],
            node=os.environ.get("NODE_NAME", "local"),
        )

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
