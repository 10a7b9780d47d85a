"""Every make target, and every command in the documents, is run by a test.

The targets and commands that need no machines are run here, in their smallest form.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.commands import parser as deploy_parser
from rehearsal.__main__ import COMMANDS
from tests.rehearsal.support import spec

ROOT = Path(__file__).parents[1]
HERE = "tests/test_commands.py"
CI = ".ci/run"
STACK_MAKE = "tests/stack/test_make.py"

TESTED: dict[str, tuple[str, str]] = {
    "make help": (HERE, '"help"'),
    "make setup": (HERE, '"setup"'),
    "make doctor": (HERE, '"doctor"'),
    "make cloud": (HERE, '"cloud"'),
    "make env": (HERE, '"env"'),
    "make reset": (HERE, '"reset"'),
    "make down": (HERE, '"down"'),
    "make bench-api": (HERE, '"bench-api"'),
    "make conformance": (HERE, '"conformance"'),
    "make image-local": (HERE, '"image-local"'),
    "make drill": (HERE, '"drill"'),
    "make check": (CI, "make check"),
    "make test": (CI, "make test"),
    "make rehearse": (STACK_MAKE, '"rehearse"'),
    "make status": (STACK_MAKE, '"status"'),
    "make logs": (STACK_MAKE, '"logs"'),
    "make ssh": (STACK_MAKE, '"ssh"'),
    "make shell": (STACK_MAKE, '"shell"'),
    "make bench": ("tests/stack/test_bench.py", '"bench"'),
    "python -m deploy preview": ("tests/stack/test_deployed.py", '"preview"'),
    "python -m deploy up": ("tests/stack/rig.py", '"up"'),
    "python -m deploy refresh": ("tests/deploy/test_operation.py", '"refresh"'),
    "python -m deploy drift": ("tests/deploy/test_operation.py", '"drift"'),
    "python -m deploy verify": ("tests/stack/test_deployed.py", '"verify"'),
    "python -m deploy status": ("tests/stack/test_deployed.py", '"status"'),
    "python -m deploy destroy": ("tests/stack/test_destroy.py", '"destroy"'),
    "python -m deploy replace": ("tests/stack/test_replacements.py", '"replace"'),
    "python -m deploy backup": ("tests/stack/test_backup.py", '"backup"'),
    "python -m deploy restore": ("tests/stack/test_backup.py", '"restore"'),
    "python -m deploy snapshot": ("tests/deploy/test_snapshot.py", '"snapshot"'),
    "python -m deploy recover": ("tests/deploy/test_recover.py", '"recover"'),
    "python -m deploy rotate": ("tests/stack/test_rotation.py", '"rotate"'),
    "python -m deploy prune": ("tests/deploy/test_orphans.py", '"prune"'),
    "python -m deploy ssh": ("tests/stack/test_deployed.py", '"ssh"'),
    "python -m deploy logs": ("tests/stack/test_deployed.py", '"logs"'),
    "python -m deploy shell": ("tests/stack/test_deployed.py", '"shell"'),
    "python -m rehearsal up": ("tests/stack/rig.py", '"up"'),
    "python -m rehearsal down": ("tests/stack/rig.py", '"down"'),
    "python -m rehearsal reset": ("tests/rehearsal/lifecycle/test_clouds.py", '"reset"'),
    "python -m rehearsal status": ("tests/rehearsal/lifecycle/test_clouds.py", '"status"'),
    "python -m rehearsal env": ("tests/rehearsal/lifecycle/test_clouds.py", '"env"'),
    "python -m rehearsal account": ("tests/rehearsal/api/test_accounts.py", '"account"'),
    "python -m rehearsal resolve": ("tests/rehearsal/lifecycle/test_clouds.py", '"resolve"'),
    "python -m rehearsal serve": ("tests/rehearsal/api/test_restart.py", '"serve"'),
    "python -m rehearsal spaces": ("tests/rehearsal/spaces/test_spaces_command.py", '"spaces"'),
    "python -m rehearsal guest-services": ("tests/stack/rig.py", '"up"'),
    "python -m rehearsal provider-emulators": (HERE, '"provider-emulators"'),
    "pulumi up": ("tests/stack/test_deployed.py", 'pulumi("up"'),
    "pulumi config": (HERE, '"config"'),
    "packer build": ("tests/rehearsal/clients/test_packer.py", "packer"),
    "curl": ("tests/stack/test_deployed.py", "curl"),
}
"""Command -> file that runs it, and the text by which that file names it."""

PROMPT = re.compile(r"^\$ (\S+)", re.MULTILINE)
COMMAND = re.compile(
    r"(?:^|\$ |\(|&& |\| )(?:\.venv/bin/)?"
    r"(make(?: -s)? [a-z][a-z-]*|python3? -m [\w.]+ [a-z][a-z-]*|pulumi [a-z]+|packer [a-z]+|curl)",
    re.MULTILINE,
)
PROGRAMS = {"make", "python", "python3", "pulumi", "packer", "curl"}


def make_targets(makefile: str) -> set[str]:
    return {f"make {name}" for name in re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE)}


def documented_commands(markdown: str) -> set[str]:
    """Return program and verb of each command in a fenced block.

    A block without a language is shell. After a prompt, a program that is not in ``PROGRAMS``
    counts as a command too.
    """
    commands = set()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL):
        if language in ("", "sh", "shell", "bash", "console"):
            commands |= {match.replace(" -s ", " ") for match in COMMAND.findall(block)}
            commands |= set(PROMPT.findall(block)) - PROGRAMS
    return commands


def cli_commands() -> set[str]:
    """Return every command of ``deploy`` and ``rehearsal``."""
    rehearsal = argparse.ArgumentParser()
    subparsers = rehearsal.add_subparsers()
    for command in COMMANDS:
        command.add(subparsers)
    return {
        f"python -m {program} {name}"
        for program, parser in (("deploy", deploy_parser()), ("rehearsal", rehearsal))
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name in action.choices
    }


def untested(commands: set[str], tested: Mapping[str, tuple[str, str]] = TESTED) -> set[str]:
    """Return the commands that no test runs, according to ``tested`` and to the tests' text."""
    return {
        command
        for command in commands
        if command not in tested
        or tested[command][1] not in (ROOT / tested[command][0]).read_text()
    }


def test_every_make_target_is_tested() -> None:
    assert untested(make_targets((ROOT / "Makefile").read_text())) == set()


def test_every_cli_command_is_tested() -> None:
    assert untested(cli_commands()) == set()


@pytest.mark.parametrize("page", ["README.md", *sorted(map(str, Path("docs").rglob("*.md")))])
def test_every_documented_command_is_tested(page: str) -> None:
    assert untested(documented_commands((ROOT / page).read_text())) == set()


def test_table_names_no_command_that_is_gone() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    documented = set().union(*(documented_commands(page.read_text()) for page in pages))
    existing = documented | cli_commands() | make_targets((ROOT / "Makefile").read_text())
    assert set(TESTED) <= existing


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("```\nmake paint   # a new target\n```\n", "make paint"),
        ("```sh\n$ python -m deploy paint dev\n```\n", "python -m deploy paint"),
        ('```\neval "$(make -s paint)"\n```\n', "make paint"),
        ("```console\n$ brush --wide\n```\n", "brush"),
    ],
)
def test_new_documented_command_is_noticed(text: str, command: str) -> None:
    assert untested(documented_commands(text)) == {command}


def test_new_make_target_is_noticed() -> None:
    assert untested(make_targets("help: ## this\n\npaint: setup ## that\n")) == {"make paint"}


def test_table_entry_without_a_test_is_noticed() -> None:
    assert untested({"make help"}, {"make help": (CI, '"help"')}) == {"make help"}


@pytest.mark.parametrize(
    "file",
    [
        "tests/rehearsal/api/test_conformance.py",
        "tests/rehearsal/api/test_coverage.py",
        "tests/rehearsal/plugins/test_official_schemas.py",
        "tests/rehearsal/plugins/support/recorded.py",
    ],
)
def test_ci_allows_skips_for_missing_references_only(file: str) -> None:
    """A test that compares with files outside the checkout gives a reason that CI knows."""
    reasons = re.findall(r'pytest\.skip\("(.+)"\)', (ROOT / file).read_text())
    [allowed] = re.findall(r"^allowed='(.+)'$", (ROOT / CI).read_text(), re.MULTILINE)
    assert reasons and all(re.search(allowed, reason) for reason in reasons)
    assert not re.search(allowed, "no systemd on this machine")


def make(
    *args: str, variables: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", *args],
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=check,
    )


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  make ([a-z-]+)", make("help").stdout, re.MULTILINE)
    assert {f"make {name}" for name in listed} == make_targets((ROOT / "Makefile").read_text())


def test_doctor_lists_the_tools() -> None:
    assert {"pulumi", "consul", "nomad", "packer"} <= set(make("doctor").stdout.split())


def test_setup_has_nothing_to_do() -> None:
    """Whatever ran these tests has set up this checkout."""
    make("setup")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a memory cloud that ``make cloud`` has started."""
    name = f"make{uuid4().hex[:8]}"
    variables = {"CLOUD": name, "SLIPWAY_STATE": str(tmp_path / "state")}
    try:
        shown = make("cloud", "MACHINES=memory", variables=variables).stdout
        assert "DIGITALOCEAN_TOKEN" in shown
        yield variables
    finally:
        make("down", check=False, variables=variables)


def test_cloud_env_reset_and_down(cloud: dict[str, str]) -> None:
    exports = make("env", variables=cloud).stdout
    assert "export DIGITALOCEAN_API_URL=" in exports
    make("reset", variables=cloud)
    assert make("env", variables=cloud).stdout == exports
    make("down", variables=cloud)
    assert make("env", check=False, variables=cloud).returncode != 0
    assert "nothing was destroyed" in make("down", check=False, variables=cloud).stderr


def test_plain_pulumi_sets_configuration(cloud: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", project)
    pulumi = ["pulumi", "--cwd", str(project)]
    commands = [
        [*pulumi, "stack", "init", "dev"],
        [*pulumi, "config", "set", "slipway:workers", "6", "--stack", "dev"],
        [*pulumi, "config", "get", "slipway:workers", "--stack", "dev"],
    ]
    script = " && ".join(" ".join(command) for command in commands)
    result = subprocess.run(
        ["bash", "-c", f'eval "$(make -s env)" && export PULUMI_CONFIG_PASSPHRASE=x && {script}'],
        cwd=ROOT,
        env={**os.environ, **cloud},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "6"


def test_image_local_needs_a_host() -> None:
    result = make("image-local", check=False)
    assert result.returncode != 0 and "HOST=address" in result.stderr


def test_image_local_waits_for_a_host_that_refuses_ssh() -> None:
    """Packer retries for minutes, so the test interrupts it."""
    process = subprocess.Popen(
        ["make", "-s", "image-local", "HOST=127.77.0.9"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        assert any("Waiting for SSH" in line for line in process.stdout)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0


def test_bench_api_measures_a_small_cloud() -> None:
    """A figure may be over its limit on a busy machine, so the exit status does not count."""
    result = make("bench-api", "ARGS=--droplets 20 --rate 20 --seconds 2", check=False)
    assert "{" in result.stdout, result.stderr
    assert json.loads(result.stdout[result.stdout.index("{") :])["errors"] == []


def test_drill_lists_the_drills() -> None:
    assert "image" in make("drill", "NAME=--list").stdout


def test_conformance_with_few_requests() -> None:
    result = make("conformance", "ARGS=--requests 200", check=False)
    if spec.FILE.exists():
        assert result.returncode == 0, result.stdout + result.stderr
    else:
        assert "not part of the repository" in result.stderr


def test_provider_emulators_are_installed_into_a_pulumi_home(tmp_path: Path) -> None:
    command = [".venv/bin/python", "-m", "rehearsal", "provider-emulators", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert list(tmp_path.rglob("pulumi-resource-*"))
