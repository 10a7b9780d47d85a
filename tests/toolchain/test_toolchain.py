"""The pins, what serves in place of them, and what `doctor` says."""

import json
import re
import subprocess
import sys

import pytest

from toolchain import plugins, tools
from toolchain.paths import HERE, ROOT
from toolchain.versions import Tool
from toolchain.versions import plugins as pinned_plugins
from toolchain.versions import tools as pinned


@pytest.mark.parametrize(
    ("accept", "version", "fits"),
    [
        ("exact", "1.15.0", True),
        ("exact", "1.15.1", False),
        ("same-major", "1.15.0", True),
        ("same-major", "1.16.2", True),
        ("same-major", "1.14.9", False),
        ("same-major", "2.0.0", False),
        (None, "1.15.0", False),
    ],
)
def test_an_installed_tool_serves_only_in_a_fitting_version(
    accept: str | None, version: str, fits: bool
) -> None:
    assert (
        Tool(name="tool", version="1.15.0", package="example.com/tool", accept=accept).fits(version)
        is fits
    )


@pytest.mark.parametrize("tool", pinned(), ids=lambda tool: tool.name)
def test_each_tool_is_pinned_with_its_checksum(tool: Tool) -> None:
    """The module that is built has the version of versions.toml, and go.sum knows it."""
    module = (HERE / tool.name / "go.mod").read_text()
    assert re.search(
        rf"^\s*(require )?\S+ v{re.escape(tool.version)}( // indirect)?$", module, re.MULTILINE
    )
    assert f" v{tool.version} h1:" in (HERE / tool.name / "go.sum").read_text()
    assert tool.package in module


def test_the_python_sdks_are_those_of_the_plugins() -> None:
    """A plugin of another version than its SDK would be downloaded beside it."""
    requirements = (ROOT / "requirements.txt").read_text()
    for name, version in pinned_plugins().items():
        assert f"pulumi-{name}=={version}" in requirements
    cli = next(tool for tool in pinned() if tool.name == "pulumi")
    assert f"pulumi=={cli.version}" in requirements


def test_every_python_package_has_its_hash() -> None:
    lines = (ROOT / "requirements.txt").read_text().split("\n")
    for number, line in enumerate(lines):
        if re.match(r"^[a-z0-9]", line, re.IGNORECASE):
            assert "--hash=sha256:" in lines[number + 1], line


def test_set_up_has_put_everything_in_place() -> None:
    """`make test` sets up first, so all is there; each link leads to a program that says its version."""
    said = subprocess.run(
        [sys.executable, "-m", "toolchain", "doctor", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(said.stdout)
    assert said.returncode == 0, report
    assert {row["name"] for row in report} >= {tool.name for tool in pinned()} | set(
        pinned_plugins()
    )
    for tool in pinned():
        if tool.check:
            version = subprocess.run(
                [tools.bin_dir() / tool.name, *tool.check],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert re.search(r"\d+\.\d+\.\d+", version)
    assert all(provider.origin in ("official", "stand-in") for provider in plugins.providers())


def test_a_second_set_up_does_nothing() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "toolchain", "setup"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""


def test_a_build_without_go_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        tools.ToolError, match=r"tool 1\.15\.0 is not on PATH; building it needs Go 1\.26 or later"
    ):
        tools._require_go(Tool(name="tool", version="1.15.0", package="example.com/tool"))
