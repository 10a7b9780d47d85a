"""The versions of versions.toml as typed values."""

import tomllib
from dataclasses import dataclass, field, replace
from typing import Any

from toolchain.paths import TOOLCHAIN_DIR


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """Files of a Go module that must be beside a tool; tool ``source`` pins the module."""

    source: str
    module: str
    files: list[str]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A pinned tool.

    ``check`` holds the arguments that print its version. ``accept`` is ``exact`` or
    ``same-major`` and states which installed version replaces a build; None accepts none.
    ``companion`` is the tool together with which this one is installed. ``older`` lists the
    versions that can be built besides; ``is_older`` states that this is one of them.
    """

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
    # Not in the representation, which determines the path of the built tool.
    older: list[str] = field(default_factory=list, repr=False)
    is_older: bool = field(default=False, repr=False)

    @property
    def module(self) -> str:
        """Name of the directory with the tool's module file."""
        return f"{self.name}-{self.version}" if self.is_older else self.name

    def accepts(self, version: str) -> bool:
        """Return whether an installed ``version`` may be used instead of the pinned one."""
        if self.accept == "exact":
            return version == self.version
        if self.accept == "same-major":
            installed, pinned = _version_numbers(version), _version_numbers(self.version)
            return installed[0] == pinned[0] and installed >= pinned
        return False


def _version_numbers(version: str) -> list[int]:
    return [int(part) for part in version.split("-")[0].split("+")[0].split(".")]


def _read() -> dict[str, Any]:
    return tomllib.loads((TOOLCHAIN_DIR / "versions.toml").read_text())


def pinned_tools() -> list[Tool]:
    """Return the pinned tools in the order in which they are needed."""
    tools = []
    for name, entry in _read()["tools"].items():
        scripts = entry.pop("scripts", None)
        companion = entry.pop("with", None)
        if scripts:
            scripts = Scripts(
                source=scripts["from"], module=scripts["module"], files=scripts["files"]
            )
        tools.append(Tool(name=name, companion=companion, scripts=scripts, **entry))
    return tools


def older_tools() -> list[Tool]:
    """Return the older versions that can be built besides the pinned ones."""
    return [
        replace(tool, version=version, older=[], is_older=True)
        for tool in pinned_tools()
        for version in tool.older
    ]


def pinned_plugins() -> dict[str, str]:
    """Return the versions of the provider plugins by name."""
    return dict(_read()["plugins"])


def debian_packages() -> dict[str, str]:
    """Return the Debian packages of the commands that the rehearsal runs, by command."""
    return dict(_read()["debian"])
