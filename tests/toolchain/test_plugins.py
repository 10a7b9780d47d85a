"""Provider plugins: the official ones of a user's own Pulumi home are those that the engine loads.

The official programs cannot be downloaded everywhere, so a program under their name and version
stands for each. It records that the engine started it, and then serves as the emulator.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.plugins.install import MODULE
from toolchain import doctor, plugins, python, tools
from toolchain.paths import ROOT
from toolchain.versions import pinned_plugins

PROGRAM = """\
import pulumi_random
pulumi_random.RandomPassword("password", length=20)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Pulumi home of a checkout that has no plugins yet."""
    monkeypatch.setattr(plugins, "pulumi_home", lambda: tmp_path / "checkout")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("SLIPWAY_PLUGINS", "emulator")
    return tmp_path / "checkout"


def directory(home: Path, name: str) -> Path:
    return home / "plugins" / f"resource-{name}-v{pinned_plugins()[name]}"


def place_official(home: Path, name: str) -> Path:
    """Place a program in a Pulumi home as the Pulumi CLI does; return the file it creates."""
    folder, started = directory(home, name), home / "started"
    folder.mkdir(parents=True)
    serve = home / "serve"
    serve.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {MODULE} "$@"\n')
    program = folder / f"pulumi-resource-{name}"
    program.write_text(f'#!/bin/sh\necho "$0" >>{started}\nexec {serve} {name} "$@"\n')
    for file in (serve, program):
        file.chmod(0o755)
    return started


def origins() -> dict[str, str]:
    return {provider.name: provider.origin for provider in plugins.find_providers()}


def preview(directory: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    """Preview a program with one password, as `make env` makes the engine find its plugins."""
    (directory / "Pulumi.yaml").write_text("name: passwords\nruntime: python\n")
    (directory / "__main__.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(python.VENV / "bin"), str(tools.bin_dir()), os.environ["PATH"]]
        ),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{directory}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for command in (["stack", "init", "dev"], ["preview", "--stack", "dev"]):
        done = subprocess.run(
            ["pulumi", "--non-interactive", *command],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    return done


def test_engine_loads_the_plugin_of_the_users_pulumi_home(home: Path, tmp_path: Path) -> None:
    started = place_official(tmp_path / "user", "random")
    plugins.install_missing()
    assert origins() == dict.fromkeys(pinned_plugins(), "emulator") | {"random": "official"}
    done = preview(tmp_path, home)
    assert done.returncode == 0, done.stdout + done.stderr
    [item] = [item for item in doctor.inspect() if item.name == "random"]
    assert set(started.read_text().split()) == {item.where}
    assert Path(item.where).parent == directory(home, "random")


def test_linked_plugin_of_an_earlier_setup_is_replaced(home: Path, tmp_path: Path) -> None:
    """The engine skips a symbolic link, so doctor does not count it."""
    started = place_official(tmp_path / "user", "random")
    directory(home, "random").parent.mkdir(parents=True)
    directory(home, "random").symlink_to(directory(tmp_path / "user", "random"))
    assert origins()["random"] == "missing"
    done = preview(tmp_path, home)
    assert done.returncode != 0 and not started.exists()
    plugins.install_missing()
    assert origins()["random"] == "official" and not directory(home, "random").is_symlink()


@pytest.mark.parametrize("fault", ["partial", "not executable", "an emulator"])
def test_plugin_that_the_engine_would_not_load_is_not_copied(
    home: Path, tmp_path: Path, fault: str
) -> None:
    place_official(tmp_path / "user", "random")
    folder = directory(tmp_path / "user", "random")
    program = folder / "pulumi-resource-random"
    if fault == "partial":
        folder.with_name(f"{folder.name}.partial").touch()
    elif fault == "not executable":
        program.chmod(0o644)
    else:
        program.write_text(f"#!/bin/sh\nexec python -m {MODULE} random\n")
    plugins.install_missing()
    assert origins()["random"] == "emulator"


def test_plugin_on_path_is_the_one_that_the_engine_loads(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins.install_missing()
    place_official(tmp_path / "user", "random")
    folder = directory(tmp_path / "user", "random")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert origins()["random"] == "official"
    [item] = [item for item in doctor.inspect() if item.name == "random"]
    assert Path(item.where).parent == folder
    monkeypatch.setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
    assert origins()["random"] == "emulator"


def test_copy_is_made_where_no_hard_link_is_possible(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError("another file system")

    place_official(tmp_path / "user", "random")
    monkeypatch.setattr(os, "link", refuse)
    plugins.install_missing()
    copied, program = (
        directory(base, "random") / "pulumi-resource-random" for base in (home, tmp_path / "user")
    )
    assert copied.read_bytes() == program.read_bytes() and os.access(copied, os.X_OK)
    assert copied.stat().st_ino != program.stat().st_ino
