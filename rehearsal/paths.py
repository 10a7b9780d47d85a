"""Directories of this machine that hold the files of rehearsal clouds."""

import os
from pathlib import Path

from toolchain.paths import cache_root as cache_root


def state_root() -> Path:
    """Return the directory for files of existing clouds; ``SLIPWAY_STATE`` overrides it."""
    default = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slipway"
    return Path(os.environ.get("SLIPWAY_STATE") or default)


def cloud_dir(name: str) -> Path:
    """Return the directory of the cloud ``name``: its database, machines, logs and keys."""
    return state_root() / "clouds" / name
