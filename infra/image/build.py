"""The build of an image with Packer, which leaves only the image in the account.

Packer runs in a child process (``python -m infra.image.build``), which outlives its parent. When
the parent ends early, even by SIGKILL, the child's standard input closes. Then the child interrupts
Packer and deletes the droplet and the key of the build.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.digitalocean_api import ApiError, connect
from infra.image.api import Image, ImageApi

ROOT = Path(__file__).parents[2]
TAIL_LINES = 15
"""How many lines of Packer's output an error repeats."""
SCRIPT_LINE = re.compile(r"Provisioning with shell script: (.+)")

Report = Callable[[str], None]


class BuildError(Exception):
    """The build failed. The message names the failed script and repeats the end of its output."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """The inputs of a build."""

    name: str
    """Name of the droplet, the key, and the image until it is complete."""
    template: str
    region: str
    variables: dict[str, str]
    tags: list[str]
    """Tags of the image, added in this order. The last one marks a complete image."""


def build(inputs: Build, api_url: str, token: str, report: Report) -> int:
    """Build and tag an image; return its id.

    Args:
        report: is called with each line of progress.

    Raises:
        BuildError: Packer failed or was interrupted.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "infra.image.build"],
        cwd=ROOT,
        env={**os.environ, "DIGITALOCEAN_TOKEN": token, "DIGITALOCEAN_API_URL": api_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdin and child.stdout
    image: int | None = None
    error = "the build process ended without a result"
    try:
        child.stdin.write(json.dumps(asdict(inputs)) + "\n")
        child.stdin.flush()
        for line in child.stdout:
            message = json.loads(line)
            if "progress" in message:
                report(message["progress"])
            image, error = message.get("image", image), message.get("error", error)
    finally:
        child.stdin.close()
        child.wait()
    if image is None:
        raise BuildError(error)
    return image


def create_key_pair() -> tuple[str, bytes]:
    """Return the public and the private half of a new SSH key, OpenSSH."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return public.decode(), secret


def packer_command(inputs: Build, key_id: int, key_file: Path) -> list[str]:
    """Return the command line. URL and token of the API are in the environment."""
    variables = {
        **inputs.variables,
        "region": inputs.region,
        "build_name": inputs.name,
        "ssh_key_id": str(key_id),
        "ssh_private_key_file": str(key_file),
    }
    flags = [flag for name, value in variables.items() for flag in ("-var", f"{name}={value}")]
    return [
        "packer",
        "build",
        "-color=false",
        "-only=base.digitalocean.base",
        *flags,
        inputs.template,
    ]


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Send SIGINT to the process group, because Packer's first process only wraps a second one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)


class Packer:
    """Runs Packer's commands; another thread may interrupt them at any time."""

    def __init__(self, report: Report, environment: Mapping[str, str]) -> None:
        self._report = report
        self._environment = {**environment, "CHECKPOINT_DISABLE": "1"}
        self._interrupted = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def interrupt(self) -> None:
        """Interrupt the command that runs, and prevent all later ones."""
        if not self._interrupted.is_set():
            self._interrupted.set()
            if self._process and self._process.poll() is None:
                _interrupt(self._process)

    def check_interrupted(self) -> None:
        """Raise ``BuildError`` after an interruption."""
        if self._interrupted.is_set():
            raise BuildError("the build was interrupted; its droplet and its key are deleted")

    def run(self, command: list[str]) -> None:
        """Run a command to its end.

        Raises:
            BuildError: the command failed or was interrupted.
        """
        if shutil.which(command[0], path=self._environment.get("PATH")) is None:
            raise BuildError(f"{command[0]} is not on PATH; run `make setup`")
        self.check_interrupted()
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        step = " ".join(command[:2])
        with subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as process:
            self._process = process
            # The interruption may have come between the check and the start.
            if self._interrupted.is_set():
                _interrupt(process)
            assert process.stdout
            for line in filter(None, map(str.rstrip, process.stdout)):
                if script := SCRIPT_LINE.search(line):
                    step = Path(script[1]).name
                    tail.clear()
                tail.append(line)
                self._report(line)
        self.check_interrupted()
        if process.returncode:
            raise BuildError(
                f"Packer failed in {step} (exit {process.returncode}):\n" + "\n".join(tail)
            )


def run(inputs: Build, api: ImageApi, packer: Packer) -> int:
    """Create a key, run Packer and tag the image; return its id. Always delete the rest.

    Raises:
        BuildError, ApiError: the build failed.
    """

    def is_complete(image: Image) -> bool:
        return inputs.tags[-1] in image.tags

    public, secret = create_key_pair()
    with tempfile.TemporaryDirectory() as directory:
        key_file = Path(directory, "key")
        key_file.touch(mode=0o600)
        key_file.write_bytes(secret)
        try:
            packer.check_interrupted()
            key_id = api.add_key(inputs.name, public)
            packer.run(["packer", "init", inputs.template])
            packer.run(packer_command(inputs, key_id, key_file))
            image = next((image for image in api.images() if image.name == inputs.name), None)
            if image is None:
                raise BuildError("Packer succeeded, but the account has no image of that name")
            for tag in inputs.tags:
                api.tag(image.id, tag)
            return image.id
        finally:
            api.remove_builds(inputs.name.__eq__, is_complete)


def main() -> int:
    """Build the image of the inputs on standard input; write messages to standard output."""

    def send(kind: str, value: str | int) -> None:
        with contextlib.suppress(OSError):  # The parent has ended; the build continues.
            os.write(sys.stdout.fileno(), (json.dumps({kind: value}) + "\n").encode())

    inputs = Build(**json.loads(sys.stdin.readline()))
    packer = Packer(lambda line: send("progress", line), os.environ)
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, lambda *_: packer.interrupt())

    def interrupt_at_end_of_input() -> None:
        sys.stdin.read()
        packer.interrupt()

    threading.Thread(target=interrupt_at_end_of_input, daemon=True).start()
    try:
        image = run(inputs, ImageApi(connect()), packer)
    except (BuildError, ApiError) as error:
        send("error", str(error))
        return 1
    send("image", image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
