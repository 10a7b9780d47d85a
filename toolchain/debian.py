"""Debian packages that the rehearsal runs: installed by root, else named in the error."""

import importlib.util
import os
import shutil

from toolchain.errors import ToolError
from toolchain.progress import step
from toolchain.subprocesses import run
from toolchain.versions import debian_packages

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """Return the packages whose command is not on this machine."""
    search = os.environ.get("PATH", "") + ":" + SBIN
    missing = {
        package
        for command, package in debian_packages().items()
        if shutil.which(command, path=search) is None
    }
    # Debian packages Python without the module that creates virtual environments.
    if importlib.util.find_spec("ensurepip") is None:
        missing.add("python3-venv")
    return sorted(missing)


def install_missing() -> None:
    """Install the missing packages.

    Raises:
        ToolError: this is not Debian, the user is not root, or apt-get failed.
    """
    packages = missing_packages()
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise ToolError(
            f"apt-get is missing: install the equivalents of these Debian packages: {names}"
        )
    if os.geteuid() != 0:
        raise ToolError(
            "Debian packages are missing, and only root can install them. "
            f"Run as root: apt-get install {names}"
        )
    last_line = ""

    def on_line(line: str) -> bool:
        nonlocal last_line
        last_line = line
        return False

    with step(f"install Debian packages: {names}", lambda: last_line):
        for arguments in (
            ["update", "-q"],
            ["install", "-y", "-q", "--no-install-recommends", *packages],
        ):
            run(
                ["apt-get", *arguments],
                env={"DEBIAN_FRONTEND": "noninteractive"},
                on_line=on_line,
            )
