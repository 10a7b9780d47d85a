"""The documents and the code agree: settings, commands, variables, files and links."""

import argparse
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from deploy.commands import parser as deploy_parser
from infra.settings import Settings
from rehearsal.__main__ import COMMANDS
from rehearsal.machines import stock

ROOT = Path(__file__).parents[1]
SPAN = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
"""Fenced blocks and inline code."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"\bSLIPWAY_[A-Z_]+\b")
NOT_CODE = ("tests/", "docs/", "README.md", "CHANGELOG.md")
CREATED_BY_SETUP = (".venv",)
"""Paths that exist only after `make setup`."""


@dataclass(frozen=True)
class Project:
    """The documents and the code that they are compared with."""

    documents: dict[str, str]
    """Path -> Markdown."""
    makefile: str
    files: frozenset[str]
    targets: frozenset[str]
    settings: frozenset[str]
    variables: frozenset[str]
    rehearsal_commands: frozenset[str]
    deploy_commands: frozenset[str]
    stock_packages: frozenset[str]
    """Packages of the rehearsal's stock image."""

    def code(self) -> Iterator[tuple[str, str]]:
        """Yield the document and text of each fenced block and inline code."""
        for path, text in self.documents.items():
            for fenced, inline in SPAN.findall(text):
                yield path, fenced or inline


def _choices(parser: argparse.ArgumentParser) -> frozenset[str]:
    return frozenset(
        name
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name in action.choices
    )


def _rehearsal_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for command in COMMANDS:
        command.add(commands)
    return parser


@pytest.fixture(scope="module")
def project() -> Project:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = frozenset(name for name in listed.split("\0") if name and (ROOT / name).is_file())
    makefile = (ROOT / "Makefile").read_text()
    code = [name for name in files if not name.startswith(NOT_CODE)]
    return Project(
        documents={name: (ROOT / name).read_text() for name in files if name.endswith(".md")},
        makefile=makefile,
        files=files,
        targets=frozenset(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)),
        settings=frozenset(Settings.model_fields),
        variables=frozenset(
            name
            for file in code
            for name in VARIABLE.findall((ROOT / file).read_text(errors="replace"))
        ),
        rehearsal_commands=_choices(_rehearsal_parser()),
        deploy_commands=_choices(deploy_parser()),
        stock_packages=frozenset((*stock.PACKAGES, *stock.APT_PACKAGES)),
    )


def settings_are_documented(project: Project) -> Iterator[str]:
    table = project.documents["docs/settings.md"]
    yield from (
        f"docs/settings.md lacks the setting {name}"
        for name in project.settings
        if f"| `{name}` |" not in table
    )


def variables_are_documented(project: Project) -> Iterator[str]:
    """Each variable is documented, and the code uses each documented variable."""
    documented = {name for _, code in project.code() for name in VARIABLE.findall(code)}
    yield from (f"no document names {name}" for name in project.variables - documented)
    yield from (
        f"{name} is documented, but no code uses it" for name in documented - project.variables
    )


def stock_image_is_listed(project: Project) -> Iterator[str]:
    page = project.documents["docs/rehearsal.md"]
    section = page.partition("### What the stock image holds")[2].partition("\n#")[0]
    listed = set(re.findall(r"`([\w-]+)`", section)) - {"minbase"}
    yield from (
        f"docs/rehearsal.md does not list {name}, which the stock image contains"
        for name in project.stock_packages - listed
    )
    yield from (
        f"docs/rehearsal.md lists {name}, which the stock image does not contain"
        for name in listed - project.stock_packages
    )


def _commands_in_code(project: Project, pattern: str) -> Iterator[tuple[str, str]]:
    for path, code in project.code():
        for found in re.finditer(pattern, code, re.MULTILINE):
            yield path, found[1]


def _compare(
    project: Project, pattern: str, existing: frozenset[str], program: str
) -> Iterator[str]:
    """Yield the undocumented and the nonexistent commands of a program."""
    used = list(_commands_in_code(project, pattern))
    yield from (
        f"no document names `{program} {name}`" for name in existing - {name for _, name in used}
    )
    yield from (
        f"{path} names `{program} {name}`, which does not exist"
        for path, name in used
        if name not in existing
    )


def make_targets_are_documented(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"(?:^|\(|&& )make (?:-s )?([a-z][a-z-]*)", project.targets, "make"
    )


def rehearsal_commands_are_documented(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"python -m rehearsal ([a-z-]+)", project.rehearsal_commands, "python -m rehearsal"
    )


def deploy_commands_are_documented(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"python -m deploy ([a-z-]+)", project.deploy_commands, "python -m deploy"
    )


def makefile_runs_existing_commands(project: Project) -> Iterator[str]:
    """Each command and module of this repository that a recipe runs exists."""
    for pattern, existing in (
        (r"\$\(REHEARSAL\) ([a-z-]+)", project.rehearsal_commands),
        (r"-m deploy ([a-z-]+)", project.deploy_commands),
    ):
        yield from (
            f"Makefile runs the command {name}, which does not exist"
            for name in re.findall(pattern, project.makefile)
            if name not in existing
        )
    for module in re.findall(
        r"-m ((?:deploy|rehearsal|toolchain|tests|services)[\w.]*)", project.makefile
    ):
        path = module.replace(".", "/")
        if not {f"{path}.py", f"{path}/__main__.py"} & project.files:
            yield f"Makefile runs the module {module}, which cannot be run"


def files_exist(project: Project) -> Iterator[str]:
    """Each path below a folder of the checkout exists, and each bare file name exists somewhere."""
    folders = {name.partition("/")[0] for name in project.files if "/" in name}
    existing = project.files | {
        str(parent) for name in project.files for parent in Path(name).parents
    }
    names = {Path(name).name for name in project.files}
    for path, code in project.code():
        for word in re.findall(
            r"(?<![\w./~$-])(?:\.?[\w-]+/)[\w./-]*[\w/]|^[\w.-]+\.(?:py|md|toml|yaml|in|txt)$", code
        ):
            name = word.rstrip("/")
            exists = name in existing if "/" in name else name in names
            if (
                not exists
                and (name.partition("/")[0] in folders or "/" not in name)
                and not name.startswith(CREATED_BY_SETUP)
            ):
                yield f"{path} names {word}, which does not exist"


def _anchors(markdown: str) -> set[str]:
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_targets_exist(project: Project) -> Iterator[str]:
    parents = {str(parent) for name in project.files for parent in Path(name).parents}
    for path, text in project.documents.items():
        for link in LINK.findall(SPAN.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = unquote(link).partition("#")
            target = (ROOT / path).parent.joinpath(file).resolve() if file else ROOT / path
            name = str(target.relative_to(ROOT)) if target.is_relative_to(ROOT) else ""
            if name not in project.files | parents:
                yield f"{path} links to {link}, which does not exist"
            elif anchor and anchor not in _anchors(project.documents.get(name, "")):
                yield f"{path} links to {link}, but there is no such heading"


Rule = Callable[[Project], Iterator[str]]


def _append_to_readme(line: str) -> Callable[[Project], Project]:
    """Return a function that appends a line to the README."""
    return lambda project: replace(
        project,
        documents={
            **project.documents,
            "README.md": f"{project.documents['README.md']}\n{line}\n",
        },
    )


BROKEN: list[tuple[Rule, Callable[[Project], Project]]] = [
    (
        settings_are_documented,
        lambda project: replace(project, settings=project.settings | {"colour"}),
    ),
    (
        variables_are_documented,
        lambda project: replace(project, variables=project.variables | {"SLIPWAY_COLOUR"}),
    ),
    (variables_are_documented, _append_to_readme("`SLIPWAY_COLOUR`")),
    (
        make_targets_are_documented,
        lambda project: replace(project, targets=project.targets | {"paint"}),
    ),
    (make_targets_are_documented, _append_to_readme("`make paint`")),
    (
        rehearsal_commands_are_documented,
        lambda project: replace(project, rehearsal_commands=project.rehearsal_commands | {"paint"}),
    ),
    (rehearsal_commands_are_documented, _append_to_readme("`python -m rehearsal paint`")),
    (
        deploy_commands_are_documented,
        lambda project: replace(project, deploy_commands=project.deploy_commands | {"paint"}),
    ),
    (deploy_commands_are_documented, _append_to_readme("`python -m deploy paint`")),
    (
        makefile_runs_existing_commands,
        lambda project: replace(
            project, makefile=f"{project.makefile}\tpython -m deploy paint dev\n"
        ),
    ),
    (
        makefile_runs_existing_commands,
        lambda project: replace(project, makefile=f"{project.makefile}\t@$(REHEARSAL) paint\n"),
    ),
    (
        makefile_runs_existing_commands,
        lambda project: replace(
            project, makefile=f"{project.makefile}\t@$(PYTHON) -m tests.paint\n"
        ),
    ),
    (
        stock_image_is_listed,
        lambda project: replace(project, stock_packages=project.stock_packages | {"paint"}),
    ),
    (
        stock_image_is_listed,
        lambda project: replace(project, stock_packages=project.stock_packages - {"curl"}),
    ),
    (files_exist, _append_to_readme("`infra/colour.py`")),
    (files_exist, _append_to_readme("`Colour.toml`")),
    (link_targets_exist, _append_to_readme("[colours](docs/colours.md)")),
    (link_targets_exist, _append_to_readme("[colours](docs/tour.md#colours)")),
]


@pytest.mark.parametrize(
    "rule", dict.fromkeys(rule for rule, _ in BROKEN), ids=lambda rule: rule.__name__
)
def test_rule_holds(project: Project, rule: Rule) -> None:
    violations = sorted(set(rule(project)))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(("rule", "break_project"), BROKEN)
def test_rule_finds_violation(
    project: Project, rule: Rule, break_project: Callable[[Project], Project]
) -> None:
    assert set(rule(break_project(project))) - set(rule(project))
