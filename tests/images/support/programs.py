"""Where the image's files and agents are, and how tests import the node's programs."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from toolchain import tools
from toolchain.versions import pinned_tools

IMAGE = Path(__file__).parents[3] / "images/base"
ETC = IMAGE / "files/etc"
PROGRAMS = IMAGE / "files/usr/local/lib/slipway"

LoadModule = Callable[[str], ModuleType]


def find_binary(name: str) -> Path:
    """Return an installed tool; skip the test if it is missing."""
    installed = tools.find(next(tool for tool in pinned_tools() if tool.name == name))
    if installed is None:
        pytest.skip(f"{name} is missing: run `make setup`")
    return installed.path
