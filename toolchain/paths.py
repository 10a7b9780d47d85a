"""Directories of the toolchain. The cache is outside the checkout, shared by all checkouts."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

TOOLCHAIN_DIR = Path(__file__).resolve().parent


def cache_root() -> Path:
    """Return the cache directory, whose content can be created again. ``SLIPWAY_CACHE`` sets it."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
    return Path(os.environ.get("SLIPWAY_CACHE") or default)
