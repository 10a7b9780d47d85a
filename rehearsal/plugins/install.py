"""Installation of the emulators into a Pulumi home."""

import shlex
from pathlib import Path

from rehearsal.plugins import VERSIONS

MODULE = "rehearsal.plugins"
"""Module that a launcher runs. Official plugins do not contain this text."""


def install(pulumi_home: Path, python: Path) -> list[str]:
    """Install the emulators of all plugins that the Pulumi home lacks.

    ``python`` must have the packages of this checkout's requirements. Returns the names of all
    emulators in use. The function may be called again.
    """
    return [
        name for name, version in VERSIONS.items() if _install(pulumi_home, python, name, version)
    ]


def is_emulator(pulumi_home: Path, name: str) -> bool:
    """Whether the plugin that the engine would start is an emulator."""
    launcher = _launcher(pulumi_home, name, VERSIONS[name])
    return launcher.is_file() and MODULE.encode() in launcher.read_bytes()[:4096]


def _install(pulumi_home: Path, python: Path, name: str, version: str) -> bool:
    launcher = _launcher(pulumi_home, name, version)
    if launcher.exists() and not is_emulator(pulumi_home, name):
        return False
    launcher.parent.mkdir(parents=True, exist_ok=True)
    checkout = shlex.quote(str(Path(__file__).resolve().parents[2]))
    command = f"{shlex.quote(str(python))} -m {MODULE} {name}"
    temporary = launcher.with_name(f".{launcher.name}.new")
    temporary.write_text(
        "#!/bin/sh\n"
        f"# Emulator of the official {name} plugin {version}.\n"
        f'PYTHONPATH={checkout} exec {command} "$@"\n'
    )
    temporary.chmod(0o755)
    temporary.replace(launcher)
    return True


def _launcher(pulumi_home: Path, name: str, version: str) -> Path:
    return pulumi_home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
