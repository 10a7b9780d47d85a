"""Where tools are kept: outside the checkout, so that every checkout of this machine shares them."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

HERE = Path(__file__).resolve().parent


def cache_root() -> Path:
    """What can be made again and is kept between runs. ``SLIPWAY_CACHE`` moves it."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    return Path(os.environ.get("SLIPWAY_CACHE") or default)
