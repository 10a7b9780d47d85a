"""Where a rehearsal cloud keeps its things on this machine."""

import os
from pathlib import Path

from toolchain.paths import cache_root as cache_root


def state_root() -> Path:
    """What belongs to clouds that exist. ``SLIPWAY_STATE`` moves it."""
    default = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slipway"
    return Path(os.environ.get("SLIPWAY_STATE") or default)


def cloud_dir(name: str) -> Path:
    """The directory of the cloud ``name``: its store, machines, logs and keys."""
    return state_root() / "clouds" / name
