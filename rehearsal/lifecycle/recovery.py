"""The clouds of this machine, found by directories and network links, even if a file is lost."""

import re
from pathlib import Path

from pydantic import ValidationError

from rehearsal import paths
from rehearsal.config import CLOUD_PREFIX, NAME_PATTERN, PUBLIC_POOL, CloudConfig

LINKS = Path("/sys/class/net")
MAX_CLOUDS = 2 ** (CLOUD_PREFIX - PUBLIC_POOL.prefixlen)


def cloud_names() -> list[str]:
    """Return the name of every cloud that has a directory, including damaged clouds."""
    home = paths.state_root() / "clouds"
    entries = home.iterdir() if home.exists() else ()
    return sorted(
        entry.name for entry in entries if entry.is_dir() and re.match(NAME_PATTERN, entry.name)
    )


def load_config(name: str) -> CloudConfig | None:
    """Return the configuration of a cloud; None if it is missing or damaged."""
    try:
        return CloudConfig.load(name)
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None


def linked_clouds() -> dict[int, str]:
    """Return the index and namespace of each cloud that has a network link on this machine.

    Clouds whose state is in another directory are included.
    """
    namespaces = {}
    for index in range(MAX_CLOUDS):
        alias = LINKS / f"slip{index}" / "ifalias"
        if alias.exists():
            namespaces[index] = alias.read_text().strip()
    return namespaces


def reconstruct_config(name: str) -> CloudConfig:
    """Return a configuration that suffices to remove a cloud whose own is lost.

    The cloud's link, if there is one, identifies its index.
    """
    linked = linked_clouds()
    matching = [index for index, namespace in linked.items() if namespace == f"slip-{name}"]
    unused = next(index for index in range(MAX_CLOUDS + 1) if index not in linked)
    return CloudConfig(
        name=name,
        index=matching[0] if matching else unused,
        machines="nspawn",
        port=0,
        token="",
        spaces_key="",
        spaces_secret="",
    )
