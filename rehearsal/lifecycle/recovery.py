"""A cloud whose facts are lost: its directory is there, but what ``up`` writes first into it is missing or damaged."""

import re
from pathlib import Path

from pydantic import ValidationError

from rehearsal import paths
from rehearsal.config import NAME, PUBLIC_POOL, SLICE_PREFIX, CloudConfig

LINKS = Path("/sys/class/net")
SLICES = 2 ** (SLICE_PREFIX - PUBLIC_POOL.prefixlen)


def names() -> list[str]:
    """Every name under which there is a directory of a cloud, whole or not."""
    home = paths.state_root() / "clouds"
    return (
        sorted(
            entry.name for entry in home.iterdir() if entry.is_dir() and re.match(NAME, entry.name)
        )
        if home.exists()
        else []
    )


def load(name: str) -> CloudConfig | None:
    """The cloud's facts; None if they are missing or cannot be read."""
    try:
        return CloudConfig.load(name)
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None


def linked() -> dict[int, str]:
    """Which slices have a link on this machine, and whose it is: also those of clouds whose state is elsewhere."""
    found = {}
    for index in range(SLICES):
        alias = LINKS / f"slip{index}" / "ifalias"
        if alias.exists():
            found[index] = alias.read_text().strip()
    return found


def guess(name: str) -> CloudConfig:
    """Facts good enough to take down what is left of the cloud: its slice is the one that its link, if there is one, tells."""
    links = linked()
    own = [index for index, alias in links.items() if alias == f"slip-{name}"]
    index = next(iter(own), next(index for index in range(SLICES + 1) if index not in links))
    return CloudConfig(
        name=name, index=index, machines="nspawn", port=0, token="", spaces_key="", spaces_secret=""
    )
