"""Who is answering: one instance of a service, on one node."""

import os
from dataclasses import asdict, dataclass

SHORT_ID = 8
"""Characters of an allocation's id that Nomad's own tools show."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One running instance, as its answers name it."""

    service: str
    version: str
    """The first characters of the packed file's hash."""
    instance: str
    """The short id of the Nomad allocation."""
    node: str

    @classmethod
    def of(cls, service: str) -> "Identity":
        """This process's identity, from the environment that Nomad gives a task; ``local`` outside of it."""
        return cls(
            service=service,
            version=os.environ.get("SERVICE_VERSION", "local"),
            instance=os.environ.get("NOMAD_ALLOC_ID", "local")[:SHORT_ID],
            node=os.environ.get("NODE_NAME", "local"),
        )

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
