"""The node's tools as tests use them, and what a stack would give a node."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.images.material import Authority

TOOLS = Path(__file__).parents[2] / "images/base/files/usr/local/lib/slipway"

Tool = Callable[[str], ModuleType]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tool]:
    """The tools' modules, which find each other as on a node, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module
    for file in TOOLS.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
