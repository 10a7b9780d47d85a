"""Where the image's files are, and how tests import the node's programs."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

IMAGE = Path(__file__).parents[3] / "images/base"
ETC = IMAGE / "files/etc"
PROGRAMS = IMAGE / "files/usr/local/lib/slipway"

LoadModule = Callable[[str], ModuleType]
