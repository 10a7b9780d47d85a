"""Plugins of Pulumi and Packer: the official ones, or emulators where no download is possible."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from toolchain import python
from toolchain.paths import ROOT, cache_root
from toolchain.progress import step
from toolchain.subprocesses import run
from toolchain.tools import bin_dir
from toolchain.versions import pinned_plugins

DOWNLOAD_TIMEOUT_S = 60
RETRY_DOWNLOAD_AFTER_S = 24 * 3600
EMULATOR_MODULE = b"rehearsal.plugins"
"""The module that an emulator's launcher runs."""
PACKER_SOURCE = "github.com/digitalocean/digitalocean"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider plugin. ``origin`` is ``official``, ``emulator`` or ``missing``."""

    name: str
    version: str
    origin: str


def pulumi_home() -> Path:
    """Return this checkout's Pulumi home, which holds plugins only.

    Emulators run the checkout's own code, so checkouts do not share it.
    """
    return python.VENV / "pulumi"


def packer_plugins() -> Path:
    """Return the directory for PACKER_PLUGIN_PATH."""
    return bin_dir().parent / "packer"


def has_packer_plugin() -> bool:
    """Return whether Packer finds its DigitalOcean plugin."""
    return any(packer_plugins().rglob("packer-plugin-digitalocean_*"))


def find_providers() -> list[Provider]:
    """Return the pinned provider plugins as they are on this machine; install nothing."""
    return [
        Provider(name=name, version=version, origin=_origin(name, version))
        for name, version in pinned_plugins().items()
    ]


def install_missing() -> None:
    """Install each missing plugin: the user's official one, its download, or an emulator.

    Raises:
        ToolError: Packer refuses its plugin, or an emulator cannot be written.
    """
    _install_packer_plugin()
    missing = [provider for provider in find_providers() if provider.origin == "missing"]
    if not missing:
        return
    current = ""
    needs_emulator = False
    with step("install Pulumi provider plugins", lambda: current):
        for provider in missing:
            current = f"{provider.name} {provider.version}"
            if not _link_official(provider) and not _download(provider):
                needs_emulator = True
        if needs_emulator:
            current = "emulators"
            command = [str(python.interpreter()), "-m", "rehearsal", "provider-emulators"]
            run([*command, str(pulumi_home())], cwd=ROOT)


def _origin(name: str, version: str) -> str:
    launcher = _plugin_dir(pulumi_home(), name, version) / f"pulumi-resource-{name}"
    if not launcher.exists():
        return "missing"
    with launcher.open("rb") as file:
        return "emulator" if EMULATOR_MODULE in file.read(4096) else "official"


def _plugin_dir(home: Path, name: str, version: str) -> Path:
    return home / "plugins" / f"resource-{name}-v{version}"


def _install_packer_plugin() -> None:
    if has_packer_plugin():
        return
    home = packer_plugins()
    home.mkdir(parents=True, exist_ok=True)
    packer, plugin = (str(bin_dir() / name) for name in ("packer", "packer-plugin-digitalocean"))
    with step("install Packer's DigitalOcean plugin"):
        run(
            [packer, "plugins", "install", "--path", plugin, PACKER_SOURCE],
            env={"PACKER_PLUGIN_PATH": str(home), "CHECKPOINT_DISABLE": "1"},
        )


def _link_official(provider: Provider) -> bool:
    """Link the official plugin of the user's Pulumi home; return whether it is there."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    official = _plugin_dir(home, provider.name, provider.version)
    target = _plugin_dir(pulumi_home(), provider.name, provider.version)
    if official == target or not (official / f"pulumi-resource-{provider.name}").exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(official)
    return True


def _download(provider: Provider) -> bool:
    """Download the official plugin by the Pulumi CLI; return whether that succeeded.

    After a failure, do not try again for a day: the site is unreachable from this machine.
    """
    failure_stamp = cache_root() / "plugins-out-of-reach"
    if os.environ.get("SLIPWAY_PLUGINS") == "emulator":
        return False
    if (
        failure_stamp.exists()
        and time.time() - failure_stamp.stat().st_mtime < RETRY_DOWNLOAD_AFTER_S
    ):
        return False
    pulumi = str(bin_dir() / "pulumi")
    try:
        subprocess.run(
            [pulumi, "plugin", "install", "resource", provider.name, f"v{provider.version}"],
            env={
                **os.environ,
                "PULUMI_HOME": str(pulumi_home()),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
            capture_output=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError:
        failure_stamp.touch()
        return False
    return True
