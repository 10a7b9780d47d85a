"""Fixtures: the node's programs as modules, and a certificate authority."""

import importlib
import sys
from collections.abc import Iterator

import pytest

from tests.images.support.credentials import Authority
from tests.images.support.programs import PROGRAMS, LoadModule


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadModule]:
    """Import a module of the node's programs by name; a later test gets it anew."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module
    for file in PROGRAMS.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The stack's certificate authority."""
    return Authority()
