"""Debian packages of the rehearsal: installed when root, named otherwise."""

import importlib.util
import os
import shutil
import subprocess

from toolchain.progress import step
from toolchain.tools import ToolError
from toolchain.versions import debian

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def missing() -> list[str]:
    """The packages whose command is not on this machine."""
    search = os.environ.get("PATH", "") + ":" + SBIN
    lacking = {
        package
        for command, package in debian().items()
        if shutil.which(command, path=search) is None
    }
    # Debian's Python comes without the part that makes virtual environments.
    return sorted(lacking if importlib.util.find_spec("ensurepip") else lacking | {"python3-venv"})


def ensure() -> None:
    """Install what is missing.

    Raises:
        ToolError: not root, or no apt, or apt failed.
    """
    packages = missing()
    if not packages:
        return
    remedy = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise ToolError(
            f"this machine lacks what Debian has in: {' '.join(packages)}. Install them by its own means"
        )
    if os.geteuid() != 0:
        raise ToolError(
            f"Debian packages are missing and only root can install them. Run as root: {remedy}"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"install Debian packages: {' '.join(packages)}"):
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ToolError(f"{remedy} failed:\n{done.stderr.strip()[-2000:]}")
