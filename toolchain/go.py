"""Build pinned tools from Go modules; go.sum holds the checksum of everything downloaded."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from toolchain.atomic_file import replacing
from toolchain.errors import ToolError
from toolchain.paths import TOOLCHAIN_DIR
from toolchain.progress import step
from toolchain.subprocesses import LineReader, run
from toolchain.versions import Tool

MIN_GO_VERSION = (1, 26)
DOWNLOADING = "go: downloading "
PACKAGE = re.compile(r"[\w.~/-]+")


class BuildProgress:
    """How far a build is: modules downloaded, then packages compiled of those to compile."""

    def __init__(self) -> None:
        self._module_count = 0
        self._compiled_count = 0
        self._package_count = 0

    def on_line(self, line: str) -> bool:
        """Read a line of ``go list`` or ``go build -v``, which names each package it compiles."""
        if line.startswith(DOWNLOADING):
            self._module_count += 1
            return True
        if self._package_count and PACKAGE.fullmatch(line):
            self._compiled_count += 1
            return True
        return False

    def start_compiling(self, package_count: int) -> None:
        """Count the packages that are compiled from now on, out of ``package_count``."""
        self._package_count = package_count

    def status(self) -> str:
        """Return how far the current phase is."""
        if self._package_count:
            return f"compiled {self._compiled_count} of {self._package_count} packages"
        return f"downloaded {self._module_count} modules" if self._module_count else ""


def build(tool: Tool, target: Path) -> None:
    """Build ``tool`` from its pinned module into the file ``target``.

    Raises:
        ToolError: Go is missing or too old, or the build failed.
    """
    require_go(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-trimpath", "-ldflags", f"-s -w {tool.ldflags}".strip()]
    if tool.tags:
        flags += ["-tags", tool.tags]
    progress = BuildProgress()
    with step(f"build {tool.name} {tool.version}", progress.status), replacing(target) as new:
        stale = ["list", "-deps", *flags, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]
        packages = _run_go([*stale, tool.package], tool.module, tool.cgo, progress.on_line).split()
        progress.start_compiling(len(packages))
        command = ["build", "-v", *flags, "-o", str(new), tool.package]
        _run_go(command, tool.module, tool.cgo, progress.on_line)


def module_dir(module: str, name: str) -> Path:
    """Return the directory of a module that the module file of tool ``name`` pins.

    Raises:
        ToolError: the module cannot be downloaded.
    """
    return Path(json.loads(_run_go(["mod", "download", "-json", module], name))["Dir"])


def require_go(tool: Tool) -> None:
    """Check that a fitting Go is on PATH.

    Raises:
        ToolError: it is missing or too old.
    """
    go = shutil.which("go")
    version = "none"
    if go:
        command = [go, "env", "GOVERSION"]
        version = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.match(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match.group(1)), int(match.group(2))) < MIN_GO_VERSION:
        minimum = ".".join(str(number) for number in MIN_GO_VERSION)
        raise ToolError(
            f"{tool.name} {tool.version} is not on PATH; "
            f"building it needs Go {minimum} or later (found: {version.strip()}): "
            "install either (Go: from go.dev/dl, or Debian's backports)"
        )


def _run_go(
    arguments: list[str],
    name: str,
    cgo: bool = False,
    on_line: LineReader = lambda line: False,
) -> str:
    """Run the go command in the directory of the tool's module file."""
    env = {"CGO_ENABLED": "1" if cgo else "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    return run(["go", *arguments], cwd=TOOLCHAIN_DIR / name, env=env, on_line=on_line)
