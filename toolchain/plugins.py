"""Plugins of Pulumi and Packer: the official ones, or emulators where no download is possible."""

import os
import shutil
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
    path: Path | None
    """The program that the engine starts; None if it finds none."""


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
    return [_find_provider(name, version) for name, version in pinned_plugins().items()]


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
            if not _copy_official(provider) and not _download(provider):
                needs_emulator = True
        if needs_emulator:
            current = "emulators"
            command = [str(python.interpreter()), "-m", "rehearsal", "provider-emulators"]
            run([*command, str(pulumi_home())], cwd=ROOT)


def _find_provider(name: str, version: str) -> Provider:
    path = _find_program(name, version)
    origin = "missing"
    if path is not None:
        origin = "emulator" if EMULATOR_MODULE in _head(path) else "official"
    return Provider(name=name, version=version, origin=origin, path=path)


def _head(program: Path) -> bytes:
    """Return the start of a program, where a launcher names the module that it runs."""
    with program.open("rb") as file:
        return file.read(4096)


def _find_program(name: str, version: str) -> Path | None:
    """Return the program that the engine starts: one on PATH, else that of the Pulumi home."""
    ignores_path = os.environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS")
    on_path = None if ignores_path else shutil.which(f"pulumi-resource-{name}")
    return Path(on_path) if on_path else _find_installed(pulumi_home(), name, version)


def _find_installed(home: Path, name: str, version: str) -> Path | None:
    """Return a plugin's program in a Pulumi home.

    The engine skips a symbolic link to a directory, and a directory whose installation did not end.
    """
    directory = _plugin_dir(home, name, version)
    program = directory / f"pulumi-resource-{name}"
    is_partial = directory.with_name(f"{directory.name}.partial").exists()
    if directory.is_symlink() or is_partial or not os.access(program, os.X_OK):
        return None
    return program


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


def _copy_official(provider: Provider) -> bool:
    """Copy the official plugin of the user's Pulumi home, by hard links if possible.

    Returns:
        Whether it is there.
    """
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    program = _find_installed(home, provider.name, provider.version)
    target = _plugin_dir(pulumi_home(), provider.name, provider.version)
    if home == pulumi_home() or program is None or EMULATOR_MODULE in _head(program):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(program.parent, new, copy_function=_link_or_copy)
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    return True


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


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
