"""The pinned tools: found on PATH in a fitting version, or built from their Go module and cached."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolchain.paths import HERE, cache_root
from toolchain.progress import step
from toolchain.versions import Tool, tools

GO_AT_LEAST = (1, 26)


class ToolError(Exception):
    """A tool is not to be had; the message says which, why, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A tool of this machine. ``origin`` is ``PATH`` or ``built``."""

    tool: Tool
    path: Path
    version: str
    origin: str


def bin_dir() -> Path:
    """Links to exactly the tools of this checkout's pins; put it first on PATH."""
    digest = hashlib.sha256()
    for tool in tools():
        digest.update(_recipe(tool).encode())
    return cache_root() / "toolchains" / digest.hexdigest()[:12] / "bin"


def _recipe(tool: Tool) -> str:
    module = HERE / tool.name
    return repr(tool) + (module / "go.mod").read_text() + (module / "go.sum").read_text()


def _built(tool: Tool) -> Path:
    digest = hashlib.sha256(_recipe(tool).encode()).hexdigest()[:12]
    return cache_root() / "tools" / f"{tool.name}-{tool.version}-{digest}" / tool.name


def _installed(tool: Tool, search: str) -> Found | None:
    """The tool on PATH, if its version fits."""
    path = shutil.which(tool.name, path=search)
    if path is None or tool.accept is None:
        return None
    said = subprocess.run([path, *tool.check], capture_output=True, text=True, check=False).stdout
    match = re.search(r"v?(\d+\.\d+\.\d+)", said)
    if match is None or not tool.fits(match.group(1)):
        return None
    return Found(tool=tool, path=Path(path), version=match.group(1), origin="PATH")


def _search_path() -> str:
    own = str(cache_root())
    return os.pathsep.join(
        part for part in os.environ.get("PATH", "").split(os.pathsep) if not part.startswith(own)
    )


def find(tool: Tool) -> Found | None:
    """The tool as this machine has it now; nothing is installed."""
    search = _search_path()
    if tool.companion is not None:
        leader = next(other for other in tools() if other.name == tool.companion)
        beside = _installed(leader, search)
        path = shutil.which(tool.name, path=search)
        if beside is not None and path is not None:
            return Found(tool=tool, path=Path(path), version=beside.version, origin="PATH")
    elif (found := _installed(tool, search)) is not None and _companions_installed(tool, search):
        return found
    built = _built(tool)
    return (
        Found(tool=tool, path=built, version=tool.version, origin="built")
        if built.exists()
        else None
    )


def _companions_installed(tool: Tool, search: str) -> bool:
    """A CLI without its language host would leave the program with a mix of versions."""
    return all(
        shutil.which(other.name, path=search) for other in tools() if other.companion == tool.name
    )


def ensure() -> list[Found]:
    """Find or build every tool and link it into ``bin_dir``.

    Raises:
        ToolError: a tool is neither installed nor can be built.
    """
    directory = bin_dir()
    directory.mkdir(parents=True, exist_ok=True)
    found = []
    for tool in tools():
        entry = find(tool)
        if entry is None:
            _build(tool)
            entry = find(tool)
        if entry is None:
            raise ToolError(
                f"{tool.name} {tool.version} was built but is not there: empty {cache_root()} and try again"
            )
        _link(directory / tool.name, entry.path)
        if tool.scripts is not None:
            _link_scripts(tool, entry, directory)
        found.append(entry)
    return found


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    new = link.with_name(f"{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.rename(link)


def _link_scripts(tool: Tool, entry: Found, directory: Path) -> None:
    """Have the tool's scripts beside it, where it looks: an installed tool has its own, a built one takes them from the module."""
    assert tool.scripts is not None
    beside = [entry.path.with_name(Path(file).name) for file in tool.scripts.files]
    if entry.origin == "built" and not all(script.exists() for script in beside):
        told = _go(["mod", "download", "-json", tool.scripts.module], HERE / tool.scripts.source)
        module = Path(json.loads(told)["Dir"])
        for file, script in zip(tool.scripts.files, beside, strict=True):
            shutil.copyfile(module / file, script)
            script.chmod(0o755)
    for script in beside:
        _link(directory / script.name, script)


def _build(tool: Tool) -> None:
    """Build the tool from its pinned module; go.sum holds the checksum of all that is downloaded."""
    _require_go(tool)
    target = _built(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.{os.getpid()}")
    flags = [
        "-trimpath",
        "-ldflags",
        f"-s -w {tool.ldflags}".strip(),
        *(["-tags", tool.tags] if tool.tags else []),
    ]
    with step(f"build {tool.name} {tool.version}"):
        _go(["build", *flags, "-o", str(new), tool.package], HERE / tool.name, cgo=tool.cgo)
        new.rename(target)


def _require_go(tool: Tool) -> None:
    go = shutil.which("go")
    wanted = ".".join(str(number) for number in GO_AT_LEAST)
    said = (
        subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        if go
        else "none"
    )
    match = re.match(r"go(\d+)\.(\d+)", said)
    if match is None or (int(match.group(1)), int(match.group(2))) < GO_AT_LEAST:
        need = f"building it needs Go {wanted} or later (found: {said.strip()})"
        remedy = "install either (Go: from go.dev/dl, or Debian's backports)"
        raise ToolError(f"{tool.name} {tool.version} is not on PATH; {need}: {remedy}")


def _go(arguments: list[str], directory: Path, *, cgo: bool = False) -> str:
    environment = {
        **os.environ,
        "CGO_ENABLED": "1" if cgo else "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    done = subprocess.run(
        ["go", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            f"go {arguments[0]} in toolchain/{directory.name} failed:\n{done.stderr.strip()[-2000:]}"
        )
    return done.stdout
