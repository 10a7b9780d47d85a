"""A throwaway project of one thing, under the real CLI."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from deploy.__main__ import main

CHECKOUT = Path(__file__).resolve().parents[3]

PROGRAM = '''
import pathlib, time
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

class Provider(ResourceProvider):
    """A thing is a file; ``mode`` is its content."""
    def create(self, props):
        if props["mode"] == "bad":
            raise Exception("the API answered 422: the size is not offered in nyc3")
        if props["mode"] == "slow":
            pathlib.Path(props["file"] + ".started").touch()
            while not pathlib.Path(props["file"] + ".may-end").exists():
                time.sleep(0.05)
        pathlib.Path(props["file"]).write_text(props["mode"])
        return CreateResult("thing-1", props)
    def read(self, identity, props):
        file = pathlib.Path(props["file"])
        return ReadResult(identity, {**props, "mode": file.read_text()}) if file.exists() else ReadResult("", {})
    def diff(self, identity, olds, news):
        return DiffResult(changes=olds["mode"] != news["mode"])
    def update(self, identity, olds, news):
        pathlib.Path(news["file"]).write_text(news["mode"])
        return UpdateResult(news)
    def delete(self, identity, props):
        pathlib.Path(props["file"]).unlink(missing_ok=True)

class Thing(Resource):
    mode: pulumi.Output[str]
    def __init__(self, name, mode):
        super().__init__(Provider(), name, {"mode": mode, "file": str(pathlib.Path(__file__).with_name("thing"))})

mode = pulumi.Config().require("mode")
if mode == "wrong":
    raise pulumi.RunError("Pulumi.dev.yaml and its environment have 2 problems; nothing was touched:\\n  - region: no\\n  - workers: no")
if mode == "broken":
    raise ValueError("the program itself is wrong")
Thing("thing01", mode)
pulumi.export("url", "http://198.51.100.7/")
pulumi.export("password", pulumi.Output.secret("correct-horse-battery"))
'''

SETTINGS = """\
# What dev is.
config:
  throwaway:mode: good   # and this comment, with its three blanks, stays
"""


class Project:
    """A project of its own with a backend of its own; commands run as people run them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / "Pulumi.dev.yaml"
        self.thing = directory / "thing"
        (directory / "Pulumi.yaml").write_text("name: throwaway\nruntime: python\n")
        (directory / "__main__.py").write_text(PROGRAM)
        self.settings.write_text(SETTINGS)

    def mode(self, mode: str) -> None:
        """What the next update is to make."""
        self.settings.write_text(SETTINGS.replace("mode: good", f"mode: {mode}"))

    def start(self, command: str, *options: str) -> subprocess.Popen[str]:
        """``python -m deploy COMMAND dev`` in the background."""
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
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def deploy(self, command: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """``python -m deploy COMMAND dev`` to its end, in this process, which saves loading it each time."""
        arguments = [command, "--directory", str(self.directory), "dev", *options]
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(arguments)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def pulumi(self, *arguments: str) -> str:
        """A plain ``pulumi`` command, which must succeed."""
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
