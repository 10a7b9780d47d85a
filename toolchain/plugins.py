"""Plugins of Pulumi and Packer: the official ones wherever they can be had, stand-ins where not."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolchain import python
from toolchain.paths import ROOT
from toolchain.progress import step
from toolchain.tools import ToolError, bin_dir
from toolchain.versions import plugins

DOWNLOAD_SECONDS = 60
PACKER_SOURCE = "github.com/digitalocean/digitalocean"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider plugin as the rehearsal's engine finds it. ``origin`` is ``official``, ``stand-in`` or ``missing``."""

    name: str
    version: str
    origin: str


def pulumi_home() -> Path:
    """The engine's home of this checkout's pins: plugins only, no credentials."""
    return bin_dir().parent / "pulumi"


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
        directory = _plugin_dir(pulumi_home(), name, version)
        stand_in = directory / "STAND-IN"
        origin = "missing" if not directory.exists() else "stand-in" if stand_in.exists() else "official"
        found.append(Provider(name=name, version=version, origin=origin))
    return found


def ensure() -> None:
    """Have every plugin in place.

    Raises:
        ToolError: Packer does not take its plugin, or a stand-in cannot be written.
    """
    _ensure_packer()
    for provider in providers():
        if provider.origin == "missing":
            _ensure_provider(provider)


def _ensure_packer() -> None:
    home = packer_plugins()
    if list(home.rglob("packer-plugin-digitalocean_*")):
        return
    home.mkdir(parents=True, exist_ok=True)
    tools = bin_dir()
    command = [str(tools / "packer"), "plugins", "install", "--path", str(tools / "packer-plugin-digitalocean"), PACKER_SOURCE]
    with step("install Packer's DigitalOcean plugin"):
        _run(command, {"PACKER_PLUGIN_PATH": str(home), "CHECKPOINT_DISABLE": "1"})


def _ensure_provider(provider: Provider) -> None:
    """The user's own official plugin, or a download of it, or the stand-in."""
    target = _plugin_dir(pulumi_home(), provider.name, provider.version)
    own = _plugin_dir(_official_home(), provider.name, provider.version)
    if own.exists() and own != target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(own)
        return
    with step(f"provider plugin {provider.name} {provider.version}"):
        if os.environ.get("SLIPWAY_PLUGINS") == "stand-in" or not _download(provider):
            _run([str(python.interpreter()), "-m", "rehearsal.plugins.install", str(pulumi_home()), provider.name], {})


def _download(provider: Provider) -> bool:
    """Let the Pulumi CLI fetch the official plugin; without a way to its site this fails, and the stand-in serves."""
    command = [str(bin_dir() / "pulumi"), "plugin", "install", "resource", provider.name, f"v{provider.version}"]
    environment = {**os.environ, "PULUMI_HOME": str(pulumi_home()), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
