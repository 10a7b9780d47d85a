"""Where a rehearsal cloud keeps its things on this machine."""

import os
from pathlib import Path


def cache_root() -> Path:
    """What can be made again and is kept between clouds: tools, the stock image. ``SLIPWAY_CACHE`` moves it."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    return Path(os.environ.get("SLIPWAY_CACHE") or default)


def state_root() -> Path:
    """What belongs to clouds that exist. ``SLIPWAY_STATE`` moves it."""
    default = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slipway"
    return Path(os.environ.get("SLIPWAY_STATE") or default)


def cloud_dir(name: str) -> Path:
    """The directory of the cloud ``name``: its store, machines, logs and keys."""
    return state_root() / "clouds" / name
