"""Plugins of Pulumi and Packer: the official ones wherever they can be had, stand-ins where not."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from toolchain import python
from toolchain.paths import ROOT, cache_root
from toolchain.progress import step
from toolchain.tools import ToolError, bin_dir
from toolchain.versions import plugins

DOWNLOAD_SECONDS = 60
DAY_SECONDS = 24 * 3600
STAND_IN = b"rehearsal.plugins"
"""What a stand-in's launcher runs."""
PACKER_SOURCE = "github.com/digitalocean/digitalocean"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider plugin as the rehearsal's engine finds it. ``origin`` is ``official``, ``stand-in`` or ``missing``."""

    name: str
    version: str
    origin: str


def pulumi_home() -> Path:
    """The engine's home of this checkout: plugins only, no credentials. Stand-ins run the checkout's own code."""
    return python.VENV / "pulumi"


def packer_plugins() -> Path:
    return bin_dir().parent / "packer"


def _official_home() -> Path:
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def _plugin_dir(home: Path, name: str, version: str) -> Path:
    return home / "plugins" / f"resource-{name}-v{version}"


def providers() -> list[Provider]:
    """The provider plugins in use."""
    found = []
    for name, version in plugins().items():
        launcher = _plugin_dir(pulumi_home(), name, version) / f"pulumi-resource-{name}"
        origin = (
            "missing"
            if not launcher.exists()
            else "stand-in"
            if _is_stand_in(launcher)
            else "official"
        )
        found.append(Provider(name=name, version=version, origin=origin))
    return found


def _is_stand_in(launcher: Path) -> bool:
    with launcher.open("rb") as file:
        return STAND_IN in file.read(4096)


def ensure() -> None:
    """Have every plugin in place: the user's own official one, or a download of it, or the stand-in.

    Raises:
        ToolError: Packer does not take its plugin, or a stand-in cannot be written.
    """
    _ensure_packer()
    missing = [provider for provider in providers() if provider.origin == "missing"]
    if not missing:
        return
    with step("provider plugins"):
        if [provider for provider in missing if not (_own(provider) or _download(provider))]:
            _run(
                [str(python.interpreter()), "-m", "rehearsal", "stand-ins", str(pulumi_home())], {}
            )


def _ensure_packer() -> None:
    home = packer_plugins()
    if list(home.rglob("packer-plugin-digitalocean_*")):
        return
    home.mkdir(parents=True, exist_ok=True)
    tools = bin_dir()
    command = [
        str(tools / "packer"),
        "plugins",
        "install",
        "--path",
        str(tools / "packer-plugin-digitalocean"),
        PACKER_SOURCE,
    ]
    with step("install Packer's DigitalOcean plugin"):
        _run(command, {"PACKER_PLUGIN_PATH": str(home), "CHECKPOINT_DISABLE": "1"})


def _own(provider: Provider) -> bool:
    """Use the official plugin that the user's Pulumi has."""
    own = _plugin_dir(_official_home(), provider.name, provider.version)
    target = _plugin_dir(pulumi_home(), provider.name, provider.version)
    if own == target or not (own / f"pulumi-resource-{provider.name}").exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(own)
    return True


def _download(provider: Provider) -> bool:
    """Let the Pulumi CLI fetch the official plugin; where its site is out of reach this fails, and is not tried again for a day."""
    refused = cache_root() / "plugins-out-of-reach"
    if os.environ.get("SLIPWAY_PLUGINS") == "stand-in" or (
        refused.exists() and time.time() - refused.stat().st_mtime < DAY_SECONDS
    ):
        return False
    command = [
        str(bin_dir() / "pulumi"),
        "plugin",
        "install",
        "resource",
        provider.name,
        f"v{provider.version}",
    ]
    environment = {
        **os.environ,
        "PULUMI_HOME": str(pulumi_home()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        refused.touch()
        return False
    return True


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}"
        )
