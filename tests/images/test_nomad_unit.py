"""How the unit of Nomad stops an agent when the machine shuts down."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toolchain.paths import ROOT

UNIT = ROOT / "images/base/files/etc/systemd/system/nomad.service"
CLIENT: dict[str, Any] = {"client": {"enabled": True}, "leave_on_terminate": True}
SERVER: dict[str, Any] = {"server": {"client_introduction": {}}, "leave_on_terminate": True}


@pytest.fixture
def agent() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def stop(directory: Path, config: dict[str, Any], state: str, agent: int) -> None:
    """Run the command of ``ExecStop`` with the files of ``directory``."""
    (directory / "cluster.json").write_text(json.dumps(config, indent=2))
    systemctl = directory / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {state}\n")
    systemctl.chmod(0o755)
    match = re.search(r"^ExecStop=((?:.*\\\n)*.*)$", UNIT.read_text(), re.MULTILINE)
    assert match
    line = match[1].replace("\\\n", " ")
    # Inside quotes systemd replaces escapes, which a shell would keep.
    assert "\\" not in line
    command = shlex.split(line.replace("$$", "$"))
    text = command[2].replace("/etc/nomad.d", str(directory)).replace("tail --pid", "true --pid")
    for marker in ("/run/node-shutdown", "/var/lib/nomad-drained"):
        text = text.replace(marker, str(directory / Path(marker).name))
    environment = {"PATH": f"{directory}:{os.environ['PATH']}", "MAINPID": str(agent)}
    subprocess.run([*command[:2], text], env=environment, check=True, timeout=10)


def test_a_client_drains_and_leaves_at_a_shutdown_of_the_machine(
    tmp_path: Path, agent: subprocess.Popen[bytes]
) -> None:
    stop(tmp_path, CLIENT, "stopping", agent.pid)
    assert agent.wait(5) == -15
    assert (tmp_path / "node-shutdown").exists() and (tmp_path / "nomad-drained").exists()


@pytest.mark.parametrize(
    ("config", "state"), [(SERVER, "stopping"), (CLIENT, "running"), (SERVER, "running")]
)
def test_other_stops_are_left_to_the_signal_of_the_unit(
    tmp_path: Path, agent: subprocess.Popen[bytes], config: dict[str, Any], state: str
) -> None:
    """A server comes back after a reboot, and an agent after a restart."""
    stop(tmp_path, config, state, agent.pid)
    assert agent.poll() is None
    assert not (tmp_path / "nomad-drained").exists()
