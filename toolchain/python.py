"""The checkout's virtual environment with the packages of requirements.txt, verified by hash."""

import hashlib
import re
import sys
from pathlib import Path

from toolchain.atomic_file import replacing
from toolchain.paths import ROOT
from toolchain.progress import step
from toolchain.subprocesses import run

VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"


class PipProgress:
    """How far pip is, from its output and, while it prints nothing, from the installed files."""

    def __init__(self, requirements: str, venv: Path) -> None:
        self._package_count = len(re.findall(r"^[\w.\[\]-]+==", requirements, re.MULTILINE))
        self._venv = venv
        self._collected_count = 0
        self._package = ""
        self._is_installing = False

    def on_line(self, line: str) -> bool:
        """Read a line that pip printed."""
        if match := re.match(r"Collecting ([\w.-]+)", line):
            self._collected_count += 1
            self._package = match.group(1)
            return True
        if line.startswith("Installing collected packages"):
            self._is_installing = True
            return True
        return line.startswith(("  Downloading ", "  Using cached "))

    def status(self) -> str:
        """Return how many of all packages pip has downloaded or, later, installed."""
        if self._is_installing:
            installed = len([*self._venv.glob("lib/python*/site-packages/*.dist-info")])
            return f"installed {installed} of {self._package_count} packages"
        if self._collected_count:
            count = f"{self._collected_count} of {self._package_count}"
            return f"downloading {count} packages: {self._package}"
        return ""


def interpreter() -> Path:
    """Return the interpreter of the virtual environment."""
    return VENV / "bin" / "python"


def is_up_to_date() -> bool:
    """Return whether the virtual environment has the packages of requirements.txt."""
    stamp = _stamp()
    return interpreter().exists() and stamp.exists() and stamp.read_text() == _digest()


def install_requirements() -> None:
    """Create the virtual environment, or update it to requirements.txt.

    Raises:
        ToolError: venv or pip failed.
    """
    if is_up_to_date():
        return
    progress = PipProgress(REQUIREMENTS.read_text(), VENV)
    with step("install Python packages into .venv", progress.status):
        run([sys.executable, "-m", "venv", str(VENV)])
        pip = [str(interpreter()), "-m", "pip", "install", "--progress-bar", "off"]
        run(
            [*pip, "--require-hashes", "-r", str(REQUIREMENTS)],
            env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"},
            on_line=progress.on_line,
        )
        with replacing(_stamp()) as new:
            new.write_text(_digest())


def _digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def _stamp() -> Path:
    return VENV / "requirements.sha256"
