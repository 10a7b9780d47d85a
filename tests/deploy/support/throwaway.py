"""A throwaway project with one resource, for the real Pulumi CLI."""

import fcntl
import io
import json
import os
import subprocess
import sys
import termios
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from deploy.__main__ import main
from infra.state_format import STATE_FORMAT

CHECKOUT = Path(__file__).resolve().parents[3]

PROGRAM = f'''
import pathlib, time
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider
from pulumi.dynamic import UpdateResult

class Provider(ResourceProvider):
    """A resource is a file; ``mode`` is its content."""
    def create(self, props):
        if props["mode"] == "bad":
            raise Exception("the API answered 422: the size is not offered in nyc3")
        if props["mode"] == "slow":
            pathlib.Path(props["file"] + ".started").touch()
            while not pathlib.Path(props["file"] + ".may-end").exists():
                time.sleep(0.05)
        pathlib.Path(props["file"]).write_text(props["mode"])
        return CreateResult("file-1", props)
    def read(self, identity, props):
        file = pathlib.Path(props["file"])
        if not file.exists():
            return ReadResult("", {{}})
        if file.read_text() == "unreachable":
            raise Exception("no server of the cluster answers")
        return ReadResult(identity, {{**props, "mode": file.read_text()}})
    def diff(self, identity, olds, news):
        return DiffResult(changes=olds["mode"] != news["mode"] or olds["size"] != news["size"])
    def update(self, identity, olds, news):
        pathlib.Path(news["file"]).write_text(news["mode"])
        return UpdateResult(news)
    def delete(self, identity, props):
        if props["mode"] == "slow":
            pathlib.Path(props["file"] + ".deleting").touch()
            while not pathlib.Path(props["file"] + ".may-end").exists():
                time.sleep(0.05)
        pathlib.Path(props["file"]).unlink(missing_ok=True)

class FileResource(Resource):
    mode: pulumi.Output[str]
    def __init__(self, name, mode, size, password):
        file = str(pathlib.Path(__file__).with_name("resource-file"))
        properties = {{"mode": mode, "size": size, "password": password, "file": file}}
        super().__init__(Provider(), name, properties)

config = pulumi.Config()
mode = config.require("mode")
if mode == "wrong":
    raise pulumi.RunError(
        "Pulumi.dev.yaml and its environment have 2 problems; nothing was changed:\\n"
        "  - region: no\\n  - workers: no"
    )
if mode == "broken":
    raise ValueError("the program itself is wrong")
password = pulumi.Output.secret("correct-horse-battery")
FileResource("file01", mode, config.get("size") or "small", password)
pulumi.export("url", "http://198.51.100.7/")
pulumi.export("password", password)
pulumi.export("format", {STATE_FORMAT})
'''

SETTINGS = """\
# Settings of dev.
config:
  throwaway:mode: good   # this comment and its three blanks must stay
"""


def _take_terminal() -> None:
    """Make the terminal on standard input the controlling one of this new session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Project:
    """A project with its own backend. Commands run as users run them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / "Pulumi.dev.yaml"
        self.file = directory / "resource-file"
        (directory / "Pulumi.yaml").write_text("name: throwaway\nruntime: python\n")
        (directory / "__main__.py").write_text(PROGRAM)
        self.settings.write_text(SETTINGS)

    def mode(self, mode: str, size: str = "small") -> None:
        """Set what the next update makes."""
        text = SETTINGS.replace("mode: good", f"mode: {mode}")
        self.settings.write_text(f"{text}  throwaway:size: {size}\n")

    def set_pending_operation(self, type: str, resource: dict[str, Any]) -> None:
        """Write to the state that an operation on ``resource`` has started and has no result."""
        file = self.directory.parent / "state/.pulumi/stacks/throwaway/dev.json"
        state = json.loads(file.read_text())
        state["checkpoint"]["latest"]["pending_operations"] = [{"type": type, "resource": resource}]
        file.write_text(json.dumps(state))

    def start(
        self, command: str, *options: str, output: int | None = None, path: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start ``python -m deploy COMMAND dev``.

        Args:
            output: file descriptor of a terminal, which becomes the process's controlling one.
            path: directory whose programs come first.
        """
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "deploy",
                command,
                "dev",
                "--directory",
                str(self.directory),
                *options,
            ],
            cwd=CHECKOUT,
            env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None,
            stdin=output or subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            text=True,
            start_new_session=output is not None,
            preexec_fn=_take_terminal if output else None,
        )

    def deploy(self, command: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run ``python -m deploy COMMAND dev`` in this process, which saves loading it again."""
        arguments = [command, "--directory", str(self.directory), "dev", *options]
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(arguments)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def pulumi(self, *arguments: str) -> str:
        """Run plain ``pulumi``, which must succeed; return its output."""
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
