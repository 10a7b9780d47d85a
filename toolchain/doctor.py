"""What ``make setup`` has installed, and what is missing."""

from dataclasses import dataclass
from typing import Literal

from toolchain import debian, plugins, python, tools
from toolchain.versions import pinned_tools

SETUP = "run `make setup`"


@dataclass(frozen=True, kw_only=True)
class Item:
    """A tool, plugin or set of packages. ``where`` is its path, or the remedy if it is missing."""

    kind: Literal["tool", "python", "plugin", "debian"]
    name: str
    version: str
    origin: str
    where: str


def inspect() -> list[Item]:
    """Return everything that the project needs on this machine."""
    return [*_tools(), _python_packages(), *_plugins(), *_debian_packages()]


def is_complete(items: list[Item]) -> bool:
    """Return whether nothing is missing."""
    return all(item.origin != "missing" for item in items)


def render(items: list[Item]) -> str:
    """Return a table of the items and what follows from it."""
    rows = [
        f"{item.kind:8}{item.name:32}{item.version:16}{item.origin:10}{item.where}"
        for item in items
    ]
    if any(item.origin == "emulator" for item in items):
        rows.append(
            "emulator: the project's own replacement for an official plugin that could not be "
            "downloaded; for the rehearsal only"
        )
    missing = [item.name for item in items if item.origin == "missing"]
    rows.append(f"Missing: {', '.join(missing)}" if missing else "Nothing is missing.")
    return "\n".join(rows)


def _tools() -> list[Item]:
    items = []
    for tool in pinned_tools():
        found = tools.find(tool)
        is_linked = (tools.bin_dir() / tool.name).exists()
        items.append(
            Item(
                kind="tool",
                name=tool.name,
                version=found.version if found else tool.version,
                origin=found.origin if found and is_linked else "missing",
                where=str(found.path) if found and is_linked else SETUP,
            )
        )
    return items


def _python_packages() -> Item:
    installed = python.is_up_to_date()
    return Item(
        kind="python",
        name="requirements.txt",
        version="-",
        origin="installed" if installed else "missing",
        where=str(python.VENV) if installed else SETUP,
    )


def _plugins() -> list[Item]:
    providers = [
        Item(
            kind="plugin",
            name=provider.name,
            version=provider.version,
            origin=provider.origin,
            where=SETUP if provider.path is None else str(provider.path),
        )
        for provider in plugins.find_providers()
    ]
    if not plugins.has_packer_plugin():
        providers.append(
            Item(
                kind="plugin",
                name="digitalocean for Packer",
                version="-",
                origin="missing",
                where=SETUP,
            )
        )
    return providers


def _debian_packages() -> list[Item]:
    return [
        Item(
            kind="debian",
            name=package,
            version="-",
            origin="missing",
            where=f"apt-get install {package}",
        )
        for package in debian.missing_packages()
    ]
