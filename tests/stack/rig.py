"""A rehearsal cloud and a checkout deployed into it, used through commands and the network."""

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import requests
import yaml
from botocore.config import Config

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
COMMAND_TIMEOUT_S = 900
POLL_INTERVAL_S = 0.2
WAIT_TIMEOUT_S = 120
"""Generous, because several clouds share the processors in a parallel run."""


@dataclass(frozen=True)
class CommandResult:
    """A command's exit status and output."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def copy_checkout(target: Path) -> None:
    """Copy the checkout's files to ``target``, uncommitted changes included."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, files.stdout.split("\0")):
        source = CHECKOUT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


@dataclass
class Rig:
    """A cloud of its own, and a copy of the checkout taken at the start."""

    name: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    is_settled: bool = False
    """Whether the stack is known to be as the checkout declares it."""
    _lock: int | None = None
    _outputs: dict[str, Any] = field(default_factory=dict)
    _outputs_version: list[tuple[Path, int]] = field(default_factory=list)

    @property
    def _pristine(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}-pristine")

    def start(self, *options: str) -> None:
        """Start the cloud with ``options`` of ``rehearsal up``."""
        self._reserve_name()
        copy_checkout(self._pristine)
        self.reset()
        self.rehearsal("up", "--quiet", *options)
        self.environment = {**os.environ, **all_variables(CloudConfig.load(self.name))}

    def stop(self) -> None:
        """Take the cloud down, if this rig has started it.

        Raises:
            AssertionError: the cloud left something on this machine.
        """
        if self._lock is None:
            return
        self.rehearsal("down")
        assert leak_check.find_leaks(self.name) == []
        os.close(self._lock)
        self._lock = None

    def _reserve_name(self) -> None:
        """Keep other test runs from using the cloud, and remove what a killed run left of it.

        Raises:
            AssertionError: another test run uses the cloud.
        """
        file = Path(tempfile.gettempdir(), f"slipway-test-{self.name}.lock")
        lock = os.open(file, os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AssertionError(f"another test run uses the cloud {self.name}") from None
        self._lock = lock
        self.rehearsal("down")

    def rehearsal(self, verb: str, *options: str) -> None:
        command = [sys.executable, "-m", "rehearsal", verb, "--cloud", self.name, *options]
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"rehearsal {verb}: {done.stderr[-4000:]}"

    @property
    def secrets(self) -> list[str]:
        """The cloud's keys and all secret values of the stack."""
        cloud = [
            self.environment[name] for name in ("DIGITALOCEAN_TOKEN", "SPACES_SECRET_ACCESS_KEY")
        ]
        return [*cloud, *sorted(known_secrets.secret_values(self.resources))]

    def run(self, *command: str, **variables: str) -> CommandResult:
        """Run a command in the checkout, in the environment of `make env`."""
        return self._run(command, {**self.environment, **variables})

    def shell(self, script: str) -> CommandResult:
        """Run a script in the checkout, without the cloud's environment."""
        return self._run(("bash", "-c", script), dict(os.environ))

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> CommandResult:
        process = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return CommandResult(process.returncode, process.stdout, process.stderr)

    def deploy(self, command: str, *args: str, **variables: str) -> CommandResult:
        return self.run("python", "-m", "deploy", command, STACK, *args, **variables)

    def up(self, *options: str) -> Any:
        """Deploy the stack and return the command's JSON.

        Raises:
            AssertionError: the deployment failed.
        """
        result = self.deploy("up", "--yes", "--json", *options)
        assert result.code == 0, result.stderr[-4000:]
        return result.json

    def assert_settled(self) -> None:
        """Check that the checkout is restored and that an update of it changes nothing.

        Raises:
            AssertionError: a file differs, or the update changes something.
        """
        for file in filter(Path.is_file, self._pristine.rglob("*")):
            copy = self.directory / file.relative_to(self._pristine)
            assert copy.read_bytes() == file.read_bytes(), copy
        changes = self.up()["changes"]
        assert changes == [], changes
        self.is_settled = True

    def pulumi(self, *args: str) -> CommandResult:
        return self.run("pulumi", *args, "--stack", STACK, "--non-interactive")

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, with secrets in clear; read again when the state changes."""
        version = self._state_version()
        if not version or version != self._outputs_version:
            result = self.pulumi("stack", "output", "--json", "--show-secrets")
            assert result.code == 0, result.stderr
            self._outputs, self._outputs_version = result.json, version
        return self._outputs

    def _state_version(self) -> list[tuple[Path, int]]:
        """Return the state files and their modification times."""
        backend = Path(urlsplit(self.environment["PULUMI_BACKEND_URL"]).path)
        files = sorted(backend.glob(f".pulumi/stacks/**/{STACK}.json"))
        return [(file, file.stat().st_mtime_ns) for file in files]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state, with secrets in clear."""
        result = self.pulumi("stack", "export", "--show-secrets")
        assert result.code == 0, result.stderr
        deployment = result.json["deployment"]
        resources: list[dict[str, Any]] = reveal_secrets(deployment.get("resources", []))
        return resources

    def access(self, *, management: bool = False) -> Access:
        """Return the operator's access, or that of Pulumi with the management tokens."""
        if not management:
            return cluster.operator_access(self.outputs)
        [bootstrap] = [
            resource
            for resource in self.resources
            if resource["type"].endswith(":Bootstrap") and not resource.get("delete")
        ]
        access: Access = bootstrap["outputs"]["access"]
        return access

    def set(self, **settings: object) -> None:
        """Change settings in the stack's file."""
        file = self.directory / f"Pulumi.{STACK}.yaml"
        content = yaml.safe_load(file.read_text())
        for name, value in settings.items():
            content["config"][f"slipway:{name}"] = value
        file.write_text(yaml.safe_dump(content))

    def write_permanently(self, file: str, text: str) -> None:
        """Change a file so that ``reset`` keeps it."""
        (self._pristine / file).write_text(text)
        self.reset()

    def reset(self) -> None:
        """Restore all files of the checkout's copy."""
        shutil.copytree(self._pristine, self.directory, dirs_exist_ok=True)
        if not (self.directory / ".venv").exists():
            (self.directory / ".venv").symlink_to(CHECKOUT / ".venv")

    def api(self, path: str, method: str = "GET", **body: Any) -> Any:
        """Send a request to the cloud's API and return the JSON; wait if the rate limit says so."""
        url = self.environment["DIGITALOCEAN_API_URL"] + path
        headers = {"Authorization": f"Bearer {self.environment['DIGITALOCEAN_TOKEN']}"}
        while (
            response := requests.request(
                method, url, headers=headers, json=body or None, timeout=30
            )
        ).status_code == 429:
            time.sleep(float(response.headers["Retry-After"]))
        response.raise_for_status()
        return response.json() if response.content else None

    def droplets(self) -> dict[str, dict[str, Any]]:
        return {
            droplet["name"]: droplet
            for droplet in self.api("/v2/droplets?per_page=200")["droplets"]
        }

    def address(self, name: str, kind: str = "public") -> str:
        networks = self.droplets()[name]["networks"]["v4"]
        return next(str(network["ip_address"]) for network in networks if network["type"] == kind)

    def ssh(self, name: str, command: str, *, root: bool = True) -> CommandResult:
        """Run a command on a droplet.

        On a node of the stack the administrator logs in, and becomes root if ``root`` is True.
        Another droplet has no known host key and no administrator; there root logs in.
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
        host_key = self._host_key(name)
        if not host_key:
            unverified = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            return self.run("ssh", *key, *unverified, f"root@{self.address(name)}", command)
        known_hosts = self.directory.with_name(f"{self.directory.name}-known-hosts")
        known_hosts.write_text(f"{name} {host_key}\n")
        verified = [
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            f"UserKnownHostsFile={known_hosts}",
            "-o",
            f"HostKeyAlias={name}",
        ]
        as_root = f"sudo -n bash -c {shlex.quote(command)}"
        return self.run(
            "ssh", *key, *verified, f"ops@{self.address(name)}", as_root if root else command
        )

    def _host_key(self, name: str) -> str:
        return str(self.outputs.get("host_keys", {}).get(name, ""))

    def consul(
        self, path: str, method: str = "GET", *, management: bool = False, **body: Any
    ) -> Any:
        """Send a request to the prime's Consul, as the operator or with the management token."""
        access = self.access(management=management)
        session = mtls.session(access, {"X-Consul-Token": access["consul_token"]})
        return _request(session, method, mtls.find_answering_server(access["consul"]) + path, body)

    def nomad(
        self, path: str, method: str = "GET", *, management: bool = False, **body: Any
    ) -> Any:
        """Send a request to the prime's Nomad, as the operator or with the management token."""
        access = self.access(management=management)
        session = mtls.session(access, {"X-Nomad-Token": access["nomad_token"]})
        return _request(session, method, mtls.find_answering_server(access["nomad"]) + path, body)

    def spaces(self, region: str = "nyc3") -> Any:
        """Return an S3 client for the buckets of a region."""
        return boto3.client(
            "s3",
            region_name=region,
            endpoint_url=self.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", region),
            aws_access_key_id=self.environment["SPACES_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["SPACES_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def answer(self) -> Any:
        """Return the JSON of the stack's URL."""
        response = requests.get(self.outputs["url"], timeout=10)
        response.raise_for_status()
        return response.json()

    def answers(self, count: int = 20) -> list[Any]:
        url = self.outputs["url"]
        return [requests.get(url, timeout=10).json() for _ in range(count)]


def _request(session: requests.Session, method: str, url: str, body: dict[str, Any]) -> Any:
    response = session.request(method, url, json=body or None, timeout=10)
    response.raise_for_status()
    return response.json() if response.content.strip() else None


T = TypeVar("T")


def wait_for(probe: Callable[[], T], timeout_s: float = WAIT_TIMEOUT_S) -> T:
    """Call ``probe`` until its result is true or the time is over; return the last result."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = probe()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(POLL_INTERVAL_S)
