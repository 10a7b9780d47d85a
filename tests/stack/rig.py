"""One rehearsal cloud with one checkout deployed into it, used as a person would: by the commands, and over the network."""

import json
import os
import shlex
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

from deploy import cluster
from deploy.stack import reveal_secrets
from infra import mtls
from infra.mtls import Access
from rehearsal.config import CloudConfig
from rehearsal.lifecycle import leak_check
from rehearsal.lifecycle.environment import all_variables
from tests.stack import known_secrets

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
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
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
    _host_keys: dict[str, str] = field(default_factory=dict)

    @property
    def _pristine(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}-pristine")

    def start(self, *words: str) -> None:
        """Bring the cloud up; ``words`` say more of it than its name."""
        copy_checkout(self._pristine)
        self.reset()
        self.rehearsal("up", "--quiet", *words)
        self.environment = {**os.environ, **all_variables(CloudConfig.load(self.name))}

    def stop(self) -> None:
        """Take the cloud down. What it left behind fails the test that owns it."""
        self.rehearsal("down")
        assert leak_check.find_leaks(self.name) == []

    def rehearsal(self, *words: str) -> None:
        command = [sys.executable, "-m", "rehearsal", words[0], "--cloud", self.name, *words[1:]]
        subprocess.run(
            command,
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    @property
    def secrets(self) -> list[str]:
        """What nobody may see: the keys to the cloud, and all that the stack keeps to itself, by values that tell each of them."""
        cloud = [
            self.environment[name] for name in ("DIGITALOCEAN_TOKEN", "SPACES_SECRET_ACCESS_KEY")
        ]
        return [*cloud, *sorted(known_secrets.of(self.resources))]

    def run(self, *command: str, **more: str) -> Done:
        """A command in the checkout, in the environment of `make env`."""
        return self._run(command, {**self.environment, **more})

    def shell(self, script: str) -> Done:
        """A script in the checkout, in a shell that knows nothing of the cloud yet."""
        return self._run(("bash", "-c", script), dict(os.environ))

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> Done:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
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
        """With the secret ones."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets")
        assert done.code == 0, done.err
        found: dict[str, Any] = done.json
        return found

    @property
    def resources(self) -> list[dict[str, Any]]:
        """What the state has, with all secrets in clear."""
        done = self.pulumi("stack", "export", "--show-secrets")
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = reveal_secrets(done.json["deployment"].get("resources", []))
        return found

    def access(self, *, management: bool = False) -> Access:
        """What the operator has; or what Pulumi itself has, which may do everything."""
        if not management:
            return cluster.operator_access(self.outputs)
        [bootstrap] = [
            one
            for one in self.resources
            if one["type"].endswith(":Bootstrap") and not one.get("delete")
        ]
        found: Access = bootstrap["outputs"]["access"]
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
        while (
            answer := requests.request(method, url, headers=headers, json=body or None, timeout=30)
        ).status_code == 429:
            time.sleep(float(answer.headers["Retry-After"]))
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def droplets(self) -> dict[str, dict[str, Any]]:
        return {
            droplet["name"]: droplet
            for droplet in self.api("/v2/droplets?per_page=200")["droplets"]
        }

    def address(self, name: str, kind: str = "public") -> str:
        networks = self.droplets()[name]["networks"]["v4"]
        return next(str(network["ip_address"]) for network in networks if network["type"] == kind)

    def ssh(self, name: str, command: str, *, root: bool = True) -> Done:
        """Run a command on a droplet: on a node of the stack as its administrator, who becomes root unless told otherwise.

        A droplet that is not the stack's has no known host key and no administrator; there it is root itself.
        """
        key = [
            "-i",
            self.environment["SLIPWAY_SSH_KEY"],
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "ConnectTimeout=10",
        ]
        public = self._host_key(name)
        if not public:
            anyone = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            return self.run("ssh", *key, *anyone, f"root@{self.address(name)}", command)
        known = self.directory.with_name(f"{self.directory.name}-known-hosts")
        known.write_text(f"{name} {public}\n")
        only = [
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            f"UserKnownHostsFile={known}",
            "-o",
            f"HostKeyAlias={name}",
        ]
        as_root = f"sudo -n bash -c {shlex.quote(command)}"
        return self.run(
            "ssh", *key, *only, f"ops@{self.address(name)}", as_root if root else command
        )

    def _host_key(self, name: str) -> str:
        if name not in self._host_keys:
            self._host_keys = self.outputs.get("host_keys", {})
        return self._host_keys.get(name, "")

    def consul(
        self, path: str, method: str = "GET", *, management: bool = False, **body: Any
    ) -> Any:
        """Ask the prime's Consul, as the operator or with all rights."""
        access = self.access(management=management)
        return _asked(
            mtls.session(access, {"X-Consul-Token": access["consul_token"]}),
            method,
            access["consul"] + path,
            body,
        )

    def nomad(
        self, path: str, method: str = "GET", *, management: bool = False, **body: Any
    ) -> Any:
        """Ask the prime's Nomad, as the operator or with all rights."""
        access = self.access(management=management)
        return _asked(
            mtls.session(access, {"X-Nomad-Token": access["nomad_token"]}),
            method,
            access["nomad"] + path,
            body,
        )

    def answer(self) -> Any:
        answer = requests.get(self.outputs["url"], timeout=10)
        answer.raise_for_status()
        return answer.json()

    def answers(self, tries: int = 20) -> list[Any]:
        url = self.outputs["url"]
        return [requests.get(url, timeout=10).json() for _ in range(tries)]


def _asked(session: requests.Session, method: str, url: str, body: dict[str, Any]) -> Any:
    answer = session.request(method, url, json=body or None, timeout=10)
    answer.raise_for_status()
    return answer.json() if answer.content.strip() else None


T = TypeVar("T")


def eventually(seek: Callable[[], T], seconds: float = 60) -> T:
    """What ``seek`` finds, once it is something; its last finding otherwise, for the assertion to show."""
    deadline = time.monotonic() + seconds
    while True:
        found = seek()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
