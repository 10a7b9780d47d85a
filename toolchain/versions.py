"""versions.toml, read into types."""

import tomllib
from dataclasses import dataclass, field
from typing import Any

from toolchain.paths import HERE


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """Files that a tool needs beside it, out of a Go module that the tool ``source`` is built with."""

    source: str
    module: str
    files: list[str]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One pinned tool. ``accept`` says which installed version serves instead; without it none does."""

    name: str
    version: str
    package: str
    ldflags: str = ""
    tags: str = ""
    cgo: bool = False
    check: list[str] = field(default_factory=list)
    accept: str | None = None
    companion: str | None = None
    scripts: Scripts | None = None

    def fits(self, version: str) -> bool:
        """Whether an installed ``version`` may be used in place of the pinned one."""
        if self.accept == "exact":
            return version == self.version
        if self.accept == "same-major":
            found, pinned = _numbers(version), _numbers(self.version)
            return found[0] == pinned[0] and found >= pinned
        return False


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split("-")[0].split("+")[0].split(".")]


def _read() -> dict[str, Any]:
    return tomllib.loads((HERE / "versions.toml").read_text())


def tools() -> list[Tool]:
    """The pinned tools, in the order in which they are needed."""
    found = []
    for name, entry in _read()["tools"].items():
        scripts = entry.pop("scripts", None)
        companion = entry.pop("with", None)
        beside = (
            Scripts(source=scripts["from"], module=scripts["module"], files=scripts["files"])
            if scripts
            else None
        )
        found.append(Tool(name=name, companion=companion, scripts=beside, **entry))
    return found


def plugins() -> dict[str, str]:
    """Provider plugins and their versions."""
    return dict(_read()["plugins"])


def debian() -> dict[str, str]:
    """Commands that the rehearsal runs, and the Debian packages that hold them."""
    return dict(_read()["debian"])
