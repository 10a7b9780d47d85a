"""Programs that print lines as pip and Go do."""

import os
import sys
from pathlib import Path

import pytest

INTERPRETER = sys.executable
"""A test may change ``sys.executable`` later."""


def install_program(path: Path, source: str) -> None:
    """Write a Python program to ``path``; it prints unbuffered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{INTERPRETER} -u\nimport pathlib, sys, time\n{source}")
    path.chmod(0o755)


def put_on_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search ``directory`` for commands first."""
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
