"""Puts the stand-ins where the Pulumi CLI looks for plugins."""

import shlex
from pathlib import Path

from rehearsal.plugins import VERSIONS

MARK = "rehearsal.plugins"
"""Text that tells a stand-in's launcher from an official plugin."""


def install(pulumi_home: Path, python: Path) -> list[str]:
    """Install every stand-in whose official plugin is not there; returns the names of those in use.

    ``python`` must have the packages of this checkout's requirements. Installing again is harmless.
    """
    return [
        name for name, version in VERSIONS.items() if _install(pulumi_home, python, name, version)
    ]


def is_stand_in(pulumi_home: Path, name: str) -> bool:
    """Whether the plugin that the engine would start is a stand-in."""
    launcher = _launcher(pulumi_home, name, VERSIONS[name])
    return launcher.is_file() and MARK.encode() in launcher.read_bytes()[:4096]


def _install(pulumi_home: Path, python: Path, name: str, version: str) -> bool:
    launcher = _launcher(pulumi_home, name, version)
    if launcher.exists() and not is_stand_in(pulumi_home, name):
        return False
    launcher.parent.mkdir(parents=True, exist_ok=True)
    checkout = Path(__file__).resolve().parents[2]
    fresh = launcher.with_name(f".{launcher.name}.new")
    fresh.write_text(
        "#!/bin/sh\n"
        f"# Stand-in for the official {name} plugin {version}.\n"
        f'PYTHONPATH={shlex.quote(str(checkout))} exec {shlex.quote(str(python))} -m {MARK} {name} "$@"\n'
    )
    fresh.chmod(0o755)
    fresh.replace(launcher)
    return True


def _launcher(pulumi_home: Path, name: str, version: str) -> Path:
    return pulumi_home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
