"""The pins, the installed tools that replace a build, and the report of `doctor`."""

import json
import re
import subprocess
import sys

import pytest

from infra.settings import Settings
from toolchain import debian, doctor, go, plugins, python, tools
from toolchain.errors import ToolError
from toolchain.paths import ROOT, TOOLCHAIN_DIR
from toolchain.versions import Tool, older_tools, pinned_plugins, pinned_tools


def run_toolchain(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the toolchain's command line in the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "toolchain", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("accept", "version", "is_accepted"),
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
def test_an_installed_tool_is_used_only_in_an_accepted_version(
    accept: str | None, version: str, is_accepted: bool
) -> None:
    tool = Tool(name="tool", version="1.15.0", package="example.com/tool", accept=accept)
    assert tool.accepts(version) is is_accepted


@pytest.mark.parametrize("tool", [*pinned_tools(), *older_tools()], ids=lambda tool: tool.module)
def test_each_tool_is_pinned_with_its_checksum(tool: Tool) -> None:
    """The module that is built has the version of versions.toml, and go.sum lists it."""
    module = (TOOLCHAIN_DIR / tool.module / "go.mod").read_text()
    assert re.search(
        rf"^\s*(require )?\S+ v{re.escape(tool.version)}( // indirect)?$", module, re.MULTILINE
    )
    assert f" v{tool.version} h1:" in (TOOLCHAIN_DIR / tool.module / "go.sum").read_text()
    assert tool.package in module


def test_an_older_version_does_not_replace_the_pinned_one() -> None:
    """Both are built beside each other, and the older one is not linked into the toolchain."""
    pinned = {tool.name: tool for tool in pinned_tools()}
    for tool in older_tools():
        assert tool.version != pinned[tool.name].version
        assert tools.built_path(tool) != tools.built_path(pinned[tool.name])


def test_the_python_sdks_have_the_versions_of_the_plugins() -> None:
    """The engine would download the plugin of its SDK's version in addition to ours."""
    requirements = (ROOT / "requirements.txt").read_text()
    for name, version in pinned_plugins().items():
        assert f"pulumi-{name}=={version}" in requirements
    cli = next(tool for tool in pinned_tools() if tool.name == "pulumi")
    assert f"pulumi=={cli.version}" in requirements


def test_every_python_package_has_its_hash() -> None:
    lines = (ROOT / "requirements.txt").read_text().split("\n")
    for number, line in enumerate(lines):
        if re.match(r"^[a-z0-9]", line, re.IGNORECASE):
            assert "--hash=sha256:" in lines[number + 1], line


def test_doctor_finds_everything_after_setup() -> None:
    """`make test` runs setup first; each link leads to a program that prints its version."""
    done = run_toolchain("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    assert {row["name"] for row in report} >= {tool.name for tool in pinned_tools()} | set(
        pinned_plugins()
    )
    for tool in pinned_tools():
        if tool.check:
            version = subprocess.run(
                [tools.bin_dir() / tool.name, *tool.check],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert re.search(r"\d+\.\d+\.\d+", version)
    assert all(provider.origin in ("official", "emulator") for provider in plugins.find_providers())


def test_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda tool: None)
    monkeypatch.setattr(python, "is_up_to_date", lambda: False)
    monkeypatch.setattr(plugins, "has_packer_plugin", lambda: False)
    monkeypatch.setattr(plugins, "find_providers", list[plugins.Provider])
    monkeypatch.setattr(debian, "missing_packages", lambda: ["haproxy"])
    items = doctor.inspect()
    missing = [item.name for item in items if item.origin == "missing"]
    names = [tool.name for tool in pinned_tools()]
    assert missing == [*names, "requirements.txt", "digitalocean for Packer", "haproxy"]
    assert not doctor.is_complete(items)
    table = doctor.render(items).splitlines()
    assert table[-1] == f"Missing: {', '.join(missing)}"
    assert table[-2].endswith("apt-get install haproxy") and table[0].endswith("run `make setup`")


def test_a_second_setup_prints_nothing() -> None:
    done = run_toolchain("setup")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_build_without_go_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        ToolError, match=r"tool 1\.15\.0 is not on PATH; building it needs Go 1\.26 or later"
    ):
        go.require_go(Tool(name="tool", version="1.15.0", package="example.com/tool"))


@pytest.mark.parametrize("name", ["consul", "nomad"])
def test_the_image_has_the_version_that_the_rehearsal_builds(name: str) -> None:
    [tool] = [tool for tool in pinned_tools() if tool.name == name]
    assert Settings.model_fields[f"{name}_version"].default == tool.version
