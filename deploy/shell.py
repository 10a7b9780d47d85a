"""A command whose environment lets Consul's and Nomad's clients, and curl, use the cluster."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy import foreground
from infra.mtls import Access, find_answering_server

MEMORY_DIRECTORY = Path("/dev/shm")
"""A file system in memory, so that keys are not written to a disk."""
FILES = {"authority": "ca.pem", "certificate": "cert.pem", "key": "key.pem"}


def run(access: Access, words: Sequence[str]) -> int:
    """Run ``words``, or the user's shell, and return the exit code.

    Certificate and key are files that only the user can read; they are removed afterwards.

    Raises:
        UsageError: the command does not exist.
    """
    with (
        foreground.runner() as run_command,
        tempfile.TemporaryDirectory(prefix="slipway-", dir=_memory_directory()) as directory,
    ):
        for part, name in FILES.items():
            file = Path(directory, name)
            file.touch(mode=0o600)
            file.write_text(access[part])  # type: ignore[literal-required]
        return run_command(
            words or [os.environ.get("SHELL") or "/bin/sh"], environment(access, Path(directory))
        )


def environment(access: Access, directory: Path) -> dict[str, str]:
    """Return this process's environment with the variables that the clients read.

    Variables that name another cluster are left out.
    """
    ca, certificate, key = (str(directory / name) for name in FILES.values())
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONSUL_", "NOMAD_"))
    }
    return {
        **inherited,
        "CONSUL_HTTP_ADDR": find_answering_server(access["consul"]),
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_CACERT": ca,
        "CONSUL_CLIENT_CERT": certificate,
        "CONSUL_CLIENT_KEY": key,
        "CONSUL_HTTP_TOKEN": access["consul_token"],
        "NOMAD_ADDR": find_answering_server(access["nomad"]),
        "NOMAD_CACERT": ca,
        "NOMAD_CLIENT_CERT": certificate,
        "NOMAD_CLIENT_KEY": key,
        "NOMAD_TOKEN": access["nomad_token"],
    }


def _memory_directory() -> Path | None:
    is_usable = MEMORY_DIRECTORY.is_dir() and os.access(MEMORY_DIRECTORY, os.W_OK)
    return MEMORY_DIRECTORY if is_usable else None
