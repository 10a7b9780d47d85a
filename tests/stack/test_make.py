"""The make targets that work on a deployed stack, in their smallest form."""

import json
import re

import pytest

from tests.stack.rig import CommandResult, Rig
from tests.stack.test_deployed import MACHINES


def _make(rig: Rig, target: str, *args: str, stdin: str = "") -> CommandResult:
    """Run ``make`` in the copy of the checkout, in a shell without the cloud's environment."""
    words = " ".join(["make", "-s", target, *args, f"CLOUD={rig.name}"])
    return rig.shell(f"printf '%s' '{stdin}' | {words}")


def test_status(deployed: Rig) -> None:
    result = _make(deployed, "status")
    assert result.code == 0 and "worker04nyc3" in result.stdout, result.output
    result = _make(deployed, "status", "JSON=1")
    assert {droplet["name"] for droplet in json.loads(result.stdout)["droplets"]} == MACHINES


@pytest.mark.parametrize(
    ("name", "text"), [("worker01nyc3", "worker01nyc3"), ("backserve", '"level": "info"')]
)
def test_logs(deployed: Rig, name: str, text: str) -> None:
    result = _make(deployed, "logs", name)
    assert result.code == 0 and text in result.stdout, result.output[-3000:]


def test_ssh(deployed: Rig) -> None:
    result = _make(deployed, "ssh", "worker01nyc3", stdin="whoami")
    assert result.code == 0 and "ops" in result.stdout.split(), result.output[-3000:]


def test_shell(deployed: Rig) -> None:
    result = _make(deployed, "shell", stdin="consul members")
    assert result.code == 0, result.output[-3000:]
    assert set(re.findall(r"^(\w+) +\S+ +alive ", result.stdout, re.MULTILINE)) == MACHINES


def test_rehearse_on_a_deployed_stack(deployed: Rig) -> None:
    """It changes nothing, verifies, and prints the answer of the URL."""
    result = _make(deployed, "rehearse")
    assert result.code == 0, result.output[-3000:]
    assert '"service": "frontserve"' in result.stdout
