"""The checkout's virtual environment, with the packages of requirements.txt, each checked against its hash."""

import hashlib
import subprocess
import sys
from pathlib import Path

from toolchain.paths import ROOT
from toolchain.progress import step
from toolchain.tools import ToolError

VENV = ROOT / ".venv"


def interpreter() -> Path:
    return VENV / "bin" / "python"


def ensure() -> None:
    """Make the environment, or bring it up to requirements.txt.

    Raises:
        ToolError: pip failed.
    """
    requirements = ROOT / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = VENV / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == digest and interpreter().exists():
        return
    with step("install Python packages into .venv"):
        for command in (
            [sys.executable, "-m", "venv", str(VENV)],
            [
                str(interpreter()),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "-r",
                str(requirements),
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ToolError(
                    f"{' '.join(command[1:])} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}"
                )
        stamp.write_text(digest)
