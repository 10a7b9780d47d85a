"""The pinned tools: found on PATH in an accepted version, else built and cached."""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolchain import go
from toolchain.atomic_file import replacing
from toolchain.errors import ToolError
from toolchain.paths import TOOLCHAIN_DIR, cache_root
from toolchain.versions import Tool, pinned_tools


@dataclass(frozen=True, kw_only=True)
class InstalledTool:
    """A tool of this machine. ``origin`` is ``PATH`` or ``built``."""

    tool: Tool
    path: Path
    version: str
    origin: str


def bin_dir() -> Path:
    """Return the directory of links to exactly the pinned tools; it belongs first on PATH."""
    digest = hashlib.sha256()
    for tool in pinned_tools():
        digest.update(_recipe(tool).encode())
    return cache_root() / "toolchains" / digest.hexdigest()[:12] / "bin"


def find(tool: Tool) -> InstalledTool | None:
    """Return the tool as it is on this machine; install nothing."""
    search = _search_path()
    if tool.companion is not None:
        leader = next(other for other in pinned_tools() if other.name == tool.companion)
        installed = _find_on_path(leader, search)
        path = shutil.which(tool.name, path=search)
        if installed is not None and path is not None:
            version = f"{leader.name} {installed.version}"
            return InstalledTool(tool=tool, path=Path(path), version=version, origin="PATH")
    else:
        installed = _find_on_path(tool, search)
        if installed is not None and _has_companions(tool, search):
            return installed
    built = built_path(tool)
    if not built.exists():
        return None
    return InstalledTool(tool=tool, path=built, version=tool.version, origin="built")


def install_missing() -> None:
    """Build the tools that are missing and link every tool into ``bin_dir``.

    Raises:
        ToolError: a tool is neither installed nor can be built.
    """
    directory = bin_dir()
    directory.mkdir(parents=True, exist_ok=True)
    for tool in pinned_tools():
        installed = install(tool)
        _link(directory / tool.name, installed.path)
        if tool.scripts is not None:
            _link_scripts(tool, installed, directory)


def install(tool: Tool) -> InstalledTool:
    """Return the tool as it is on this machine; build it if it is missing.

    Raises:
        ToolError: it is neither installed nor can be built.
    """
    installed = find(tool)
    if installed is None:
        go.build(tool, built_path(tool))
        installed = find(tool)
    if installed is None:
        raise ToolError(
            f"{tool.name} {tool.version} was built but is missing: "
            f"delete {cache_root()} and run `make setup` again"
        )
    return installed


def _recipe(tool: Tool) -> str:
    """Return all that determines the built tool."""
    module = TOOLCHAIN_DIR / tool.module
    return repr(tool) + (module / "go.mod").read_text() + (module / "go.sum").read_text()


def built_path(tool: Tool) -> Path:
    """Return the path of the tool in the cache, whether it is built or not."""
    digest = hashlib.sha256(_recipe(tool).encode()).hexdigest()[:12]
    return cache_root() / "tools" / f"{tool.name}-{tool.version}-{digest}" / tool.name


def _search_path() -> str:
    """Return PATH without the directories of the cache."""
    cache = str(cache_root())
    directories = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(path for path in directories if not path.startswith(cache))


def _find_on_path(tool: Tool, search: str) -> InstalledTool | None:
    """Return the tool on PATH if its version is accepted."""
    path = shutil.which(tool.name, path=search)
    if path is None or tool.accept is None:
        return None
    command = [path, *tool.check]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.search(r"v?(\d+\.\d+\.\d+)", output)
    if match is None or not tool.accepts(match.group(1)):
        return None
    return InstalledTool(tool=tool, path=Path(path), version=match.group(1), origin="PATH")


def _has_companions(tool: Tool, search: str) -> bool:
    """Return whether the tool's companions are on PATH too; else versions would be mixed."""
    return all(
        shutil.which(other.name, path=search)
        for other in pinned_tools()
        if other.companion == tool.name
    )


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        with replacing(link) as new:
            new.symlink_to(target)


def _link_scripts(tool: Tool, installed: InstalledTool, directory: Path) -> None:
    """Link the tool's scripts beside it; copy them from their module for a built tool."""
    assert tool.scripts is not None
    for file in tool.scripts.files:
        script = installed.path.with_name(Path(file).name)
        if installed.origin == "built" and not script.exists():
            module = go.module_dir(tool.scripts.module, tool.scripts.source)
            with replacing(script) as new:
                shutil.copyfile(module / file, new)
                new.chmod(0o755)
        _link(directory / script.name, script)
