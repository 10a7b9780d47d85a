"""One rehearsal cloud with one checkout deployed into it, used as a person would: by the commands, and over the network."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
import yaml

from rehearsal import leftovers
from rehearsal.config import CloudConfig
from rehearsal.environment import whole

CHECKOUT = Path(__file__).parents[2]
STACK = "dev"
COMMAND_SECONDS = 900


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def copy_checkout(target: Path) -> None:
    """A clone of the checkout as it stands, so that a test may change its files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = CHECKOUT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


@dataclass
class Rig:
    """A cloud of its own and a copy of the checkout, taken at the start."""

    name: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def _pristine(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}-pristine")

    def start(self) -> None:
        copy_checkout(self._pristine)
        self.reset()
        self.rehearsal("up", "--quiet")
        self.environment = {**os.environ, **whole(CloudConfig.load(self.name))}

    def stop(self) -> None:
        """Take the cloud down. What it left behind fails the test that owns it."""
        self.rehearsal("down")
        assert leftovers.of(self.name) == []

    def rehearsal(self, *words: str) -> None:
        command = [sys.executable, "-m", "rehearsal", words[0], "--cloud", self.name, *words[1:]]
        subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)

    @property
    def secrets(self) -> list[str]:
        """What nobody but the clients of the cloud may see."""
        return [self.environment[name] for name in ("DIGITALOCEAN_TOKEN", "SPACES_SECRET_ACCESS_KEY")]

    def run(self, *command: str, **more: str) -> Done:
        """A command in the checkout, in the environment of `make env`."""
        return self._run(command, {**self.environment, **more})

    def shell(self, script: str) -> Done:
        """A script in the checkout, in a shell that knows nothing of the cloud yet."""
        return self._run(("bash", "-c", script), dict(os.environ))

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> Done:
        done = subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def deploy(self, verb: str, *words: str, **more: str) -> Done:
        return self.run("python", "-m", "deploy", verb, STACK, *words, **more)

    def up(self, *words: str) -> Any:
        """Deploy; the result, once it succeeded."""
        done = self.deploy("up", "--json", *words)
        assert done.code == 0, done.err[-4000:]
        return done.json

    def pulumi(self, *words: str) -> Done:
        return self.run("pulumi", *words, "--stack", STACK, "--non-interactive")

    @property
    def outputs(self) -> dict[str, Any]:
        done = self.pulumi("stack", "output", "--json")
        assert done.code == 0, done.said
        found: dict[str, Any] = done.json
        return found

    def set(self, **settings: object) -> None:
        """Change the stack's file as a person would."""
        file = self.directory / f"Pulumi.{STACK}.yaml"
        content = yaml.safe_load(file.read_text())
        for name, value in settings.items():
            content["config"][f"slipway:{name}"] = value
        file.write_text(yaml.safe_dump(content))

    def keep(self, file: str, text: str) -> None:
        """Change a file for all tests of this rig."""
        (self._pristine / file).write_text(text)
        self.reset()

    def reset(self) -> None:
        """The stack's file and all others as in the checkout."""
        shutil.copytree(self._pristine, self.directory, dirs_exist_ok=True)
        if not (self.directory / ".venv").exists():
            (self.directory / ".venv").symlink_to(CHECKOUT / ".venv")

    def api(self, path: str, method: str = "GET", **body: Any) -> Any:
        """The cloud's API, as any client asks it: one that is told to wait does so (keys may be listed ten times a minute)."""
        url = self.environment["DIGITALOCEAN_API_URL"] + path
        headers = {"Authorization": f"Bearer {self.environment['DIGITALOCEAN_TOKEN']}"}
        while (answer := requests.request(method, url, headers=headers, json=body or None, timeout=30)).status_code == 429:
            time.sleep(float(answer.headers["Retry-After"]))
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def droplets(self) -> dict[str, dict[str, Any]]:
        return {droplet["name"]: droplet for droplet in self.api("/v2/droplets?per_page=200")["droplets"]}

    def address(self, name: str, kind: str = "public") -> str:
        networks = self.droplets()[name]["networks"]["v4"]
        return next(str(network["ip_address"]) for network in networks if network["type"] == kind)

    def ssh(self, name: str, command: str) -> Done:
        """Run a command on a droplet."""
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "ConnectTimeout=10",
        ]
        return self.run("ssh", *options, "-i", self.environment["SLIPWAY_SSH_KEY"], f"root@{self.address(name)}", command)

    def consul(self, path: str) -> Any:
        answer = requests.get(self.outputs["consul_address"] + path, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def nomad(self, path: str) -> Any:
        answer = requests.get(self.outputs["nomad_address"] + path, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def answer(self) -> Any:
        answer = requests.get(self.outputs["url"], timeout=10)
        answer.raise_for_status()
        return answer.json()

    def answers(self, tries: int = 20) -> list[Any]:
        url = self.outputs["url"]
        return [requests.get(url, timeout=10).json() for _ in range(tries)]


T = TypeVar("T")


def eventually(seek: Callable[[], T], seconds: float = 60) -> T:
    """What ``seek`` finds, once it is something; its last finding otherwise, for the assertion to show."""
    deadline = time.monotonic() + seconds
    while True:
        found = seek()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
