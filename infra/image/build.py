"""Run Packer so that, however it ends, nothing is left of the build but the image.

Packer runs under a process of its own (``python -m infra.image.build``) that outlives the one that asked: when that
one ends early, even killed, its pipe closes, Packer is interrupted, and what it made is removed.
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
"""How much of Packer's output an error repeats."""
SCRIPT = re.compile(r"Provisioning with shell script: (.+)")

Say = Callable[[str], None]


class BuildError(Exception):
    """There is no image; the message names the script that failed and repeats its last words."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """One run of Packer. ``name`` is what all it makes is called until the image is complete."""

    name: str
    template: str
    region: str
    variables: dict[str, str]
    tags: list[str]
    """Given to the image in this order; with the last of them it is complete."""


def build(what: Build, api_url: str, token: str, say: Say) -> int:
    """Build the image and tag it.

    Args:
        say: is given each line of progress.

    Returns:
        The image's id.

    Raises:
        BuildError: Packer failed, or was interrupted; nothing is left of it.
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
    error = "the build ended without a word"
    try:
        child.stdin.write(json.dumps(asdict(what)) + "\n")
        child.stdin.flush()
        for line in child.stdout:
            told = json.loads(line)
            if "say" in told:
                say(told["say"])
            image, error = told.get("image", image), told.get("error", error)
    finally:
        child.stdin.close()
        child.wait()
    if image is None:
        raise BuildError(error)
    return image


def key_pair() -> tuple[str, bytes]:
    """A fresh SSH key: its public line, and the private half."""
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


def packer_command(what: Build, key_id: int, key_file: Path) -> list[str]:
    """The build's command line; the API's address and token are in the environment."""
    variables = {
        **what.variables,
        "region": what.region,
        "build_name": what.name,
        "ssh_key_id": str(key_id),
        "ssh_private_key_file": str(key_file),
    }
    words = [word for name, value in variables.items() for word in ("-var", f"{name}={value}")]
    return [
        "packer",
        "build",
        "-color=false",
        "-only=base.digitalocean.base",
        *words,
        what.template,
    ]


def _interrupt(process: subprocess.Popen[str]) -> None:
    """As a terminal does: the whole group, because Packer's first process is a wrapper that leaves it to the second."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)


class Packer:
    """Packer's processes, which can be interrupted once, at any moment."""

    def __init__(self, say: Say, environment: Mapping[str, str]) -> None:
        self._say = say
        self._environment = {**environment, "CHECKPOINT_DISABLE": "1"}
        self._interrupted = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def interrupt(self) -> None:
        """Let Packer clean up and end; what was to be run afterwards is not."""
        if not self._interrupted.is_set():
            self._interrupted.set()
            if self._process and self._process.poll() is None:
                _interrupt(self._process)

    def check(self) -> None:
        """Raises:
        BuildError: an interruption came.
        """
        if self._interrupted.is_set():
            raise BuildError("the build was interrupted; nothing is left of it")

    def run(self, command: list[str]) -> None:
        """Raises:
        BuildError: it failed, or was interrupted.
        """
        if shutil.which(command[0], path=self._environment.get("PATH")) is None:
            raise BuildError(f"{command[0]} is not on PATH; `make setup` brings it")
        self.check()
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        where = " ".join(command[:2])
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
            if self._interrupted.is_set():  # it came between the check and the start
                _interrupt(process)
            assert process.stdout
            for line in filter(None, map(str.rstrip, process.stdout)):
                if script := SCRIPT.search(line):
                    where = Path(script[1]).name
                    tail.clear()
                tail.append(line)
                self._say(line)
        self.check()
        if process.returncode:
            raise BuildError(
                f"Packer failed in {where} (exit {process.returncode}):\n" + "\n".join(tail)
            )


def run(what: Build, api: ImageApi, packer: Packer) -> int:
    """Key, Packer, tags; what must not remain is removed whatever happens.

    Returns:
        The image's id.

    Raises:
        BuildError, ApiError: there is no image.
    """

    def complete(image: Image) -> bool:
        return what.tags[-1] in image.tags

    public, secret = key_pair()
    with tempfile.TemporaryDirectory() as scratch:
        key_file = Path(scratch, "key")
        key_file.touch(mode=0o600)
        key_file.write_bytes(secret)
        try:
            packer.check()
            key_id = api.add_key(what.name, public)
            packer.run(["packer", "init", what.template])
            packer.run(packer_command(what, key_id, key_file))
            image = next((image for image in api.images() if image.name == what.name), None)
            if image is None:
                raise BuildError("Packer ended well, but the account has no image of it")
            for tag in what.tags:
                api.tag(image.id, tag)
            return image.id
        finally:
            api.remove_builds(what.name.__eq__, complete)


def main() -> int:
    def tell(kind: str, what: str | int) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the work goes on to its end
            os.write(sys.stdout.fileno(), (json.dumps({kind: what}) + "\n").encode())

    what = Build(**json.loads(sys.stdin.readline()))
    packer = Packer(lambda line: tell("say", line), os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: packer.interrupt())

    def watch() -> None:
        sys.stdin.read()
        packer.interrupt()

    threading.Thread(target=watch, daemon=True).start()
    try:
        image = run(
            what,
            ImageApi(connect()),
            packer,
        )
    except (BuildError, ApiError) as error:
        tell("error", str(error))
        return 1
    tell("image", image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
