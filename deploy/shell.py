"""A command in whose environment the clients of Consul and Nomad, and curl, may use the stack's cluster."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy import foreground
from infra.mtls import Access

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: what is in it is on no disk."""
FILES = {"authority": "ca.pem", "certificate": "cert.pem", "key": "key.pem"}


def run(access: Access, words: Sequence[str]) -> int:
    """Run ``words``, or the user's shell, and give its exit code.

    Certificate and key are files of the user's alone for as long as the command runs; the clients take them from nowhere else.

    Raises:
        UsageError: there is no such command.
    """
    with (
        foreground.runner() as run_command,
        tempfile.TemporaryDirectory(prefix="slipway-", dir=_memory()) as own,
    ):
        for part, name in FILES.items():
            file = Path(own, name)
            file.touch(mode=0o600)
            file.write_text(access[part])  # type: ignore[literal-required]
        return run_command(
            words or [os.environ.get("SHELL") or "/bin/sh"], environment(access, Path(own))
        )


def environment(access: Access, files: Path) -> dict[str, str]:
    """This process's own, and what the clients look at; whatever it told them of another cluster is left out."""
    ca, certificate, key = (str(files / name) for name in FILES.values())
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONSUL_", "NOMAD_"))
    }
    return {
        **kept,
        "CONSUL_HTTP_ADDR": access["consul"],
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_CACERT": ca,
        "CONSUL_CLIENT_CERT": certificate,
        "CONSUL_CLIENT_KEY": key,
        "CONSUL_HTTP_TOKEN": access["consul_token"],
        "NOMAD_ADDR": access["nomad"],
        "NOMAD_CACERT": ca,
        "NOMAD_CLIENT_CERT": certificate,
        "NOMAD_CLIENT_KEY": key,
        "NOMAD_TOKEN": access["nomad_token"],
    }


def _memory() -> Path | None:
    return MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
