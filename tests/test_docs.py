"""What the documents say is there, and what is there is documented."""

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
MADE = (".venv",)
"""What is there only once it was made."""


@dataclass(frozen=True)
class Project:
    """What is compared. A test of the tests hands in one that is wrong."""

    documents: dict[str, str]
    """Path -> Markdown."""
    makefile: str
    files: frozenset[str]
    targets: frozenset[str]
    settings: frozenset[str]
    variables: frozenset[str]
    verbs: frozenset[str]
    commands: frozenset[str]
    packages: frozenset[str]
    """Of the rehearsal's stock image."""

    def code(self) -> Iterator[tuple[str, str]]:
        """Document and text of each piece of code in it."""
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
        verbs=_choices(_rehearsal_parser()),
        commands=_choices(deploy_parser()),
        packages=frozenset((*stock.PACKAGES, *stock.APT_PACKAGES)),
    )


def settings_are_documented(project: Project) -> Iterator[str]:
    table = project.documents["docs/settings.md"]
    yield from (
        f"docs/settings.md lacks the setting {name}"
        for name in project.settings
        if f"| `{name}` |" not in table
    )


def variables_are_documented(project: Project) -> Iterator[str]:
    """And none is documented that no code reads or sets."""
    told = {name for _, code in project.code() for name in VARIABLE.findall(code)}
    yield from (f"no document tells of {name}" for name in project.variables - told)
    yield from (f"{name} is documented, but no code knows it" for name in told - project.variables)


def stock_image_is_listed(project: Project) -> Iterator[str]:
    page = project.documents["docs/rehearsal.md"]
    section = page.partition("### What the stock image holds")[2].partition("\n#")[0]
    listed = set(re.findall(r"`([\w-]+)`", section)) - {"minbase"}
    yield from (
        f"docs/rehearsal.md does not say that the stock image holds {name}"
        for name in project.packages - listed
    )
    yield from (
        f"docs/rehearsal.md says that the stock image holds {name}"
        for name in listed - project.packages
    )


def _used(project: Project, pattern: str) -> Iterator[tuple[str, str]]:
    for path, code in project.code():
        for found in re.finditer(pattern, code, re.MULTILINE):
            yield path, found[1]


def _compare(project: Project, pattern: str, there: frozenset[str], what: str) -> Iterator[str]:
    used = list(_used(project, pattern))
    yield from (
        f"no document tells of `{what} {name}`" for name in there - {name for _, name in used}
    )
    yield from (
        f"{path} tells of `{what} {name}`, which is not there"
        for path, name in used
        if name not in there
    )


def make_targets(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"(?:^|\(|&& )make (?:-s )?([a-z][a-z-]*)", project.targets, "make"
    )


def rehearsal_verbs(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"python -m rehearsal ([a-z-]+)", project.verbs, "python -m rehearsal"
    )


def deploy_commands(project: Project) -> Iterator[str]:
    yield from _compare(
        project, r"python -m deploy ([a-z-]+)", project.commands, "python -m deploy"
    )


def make_calls_what_is_there(project: Project) -> Iterator[str]:
    """Commands and modules of our own that a recipe runs."""
    for called, there in (
        (r"\$\(REHEARSAL\) ([a-z-]+)", project.verbs),
        (r"-m deploy ([a-z-]+)", project.commands),
    ):
        yield from (
            f"Makefile calls {name}, which is no command"
            for name in re.findall(called, project.makefile)
            if name not in there
        )
    for module in re.findall(
        r"-m ((?:deploy|rehearsal|toolchain|tests|services)[\w.]*)", project.makefile
    ):
        path = module.replace(".", "/")
        if not {f"{path}.py", f"{path}/__main__.py"} & project.files:
            yield f"Makefile runs {module}, which is no module to run"


def files_exist(project: Project) -> Iterator[str]:
    """Paths below a folder of the checkout, and names of files wherever they are in it."""
    folders = {name.partition("/")[0] for name in project.files if "/" in name}
    there = project.files | {str(parent) for name in project.files for parent in Path(name).parents}
    names = {Path(name).name for name in project.files}
    for path, code in project.code():
        for word in re.findall(
            r"(?<![\w./~$-])(?:\.?[\w-]+/)[\w./-]*[\w/]|^[\w.-]+\.(?:py|md|toml|yaml|in|txt)$", code
        ):
            name = word.rstrip("/")
            known = name in there if "/" in name else name in names
            if (
                not known
                and (name.partition("/")[0] in folders or "/" not in name)
                and not name.startswith(MADE)
            ):
                yield f"{path} names {word}, which is not there"


def _anchors(markdown: str) -> set[str]:
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_lead_somewhere(project: Project) -> Iterator[str]:
    parents = {str(parent) for name in project.files for parent in Path(name).parents}
    for path, text in project.documents.items():
        for link in LINK.findall(SPAN.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            to, _, anchor = unquote(link).partition("#")
            target = (ROOT / path).parent.joinpath(to).resolve() if to else ROOT / path
            name = str(target.relative_to(ROOT)) if target.is_relative_to(ROOT) else ""
            if name not in project.files | parents:
                yield f"{path} links to {link}, which is not there"
            elif anchor and anchor not in _anchors(project.documents.get(name, "")):
                yield f"{path} links to {link}, which has no such heading"


Rule = Callable[[Project], Iterator[str]]


def _with(extra: str) -> Callable[[Project], Project]:
    """The project with one more line in its README."""
    return lambda project: replace(
        project,
        documents={
            **project.documents,
            "README.md": f"{project.documents['README.md']}\n{extra}\n",
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
    (variables_are_documented, _with("`SLIPWAY_COLOUR`")),
    (make_targets, lambda project: replace(project, targets=project.targets | {"paint"})),
    (make_targets, _with("`make paint`")),
    (rehearsal_verbs, lambda project: replace(project, verbs=project.verbs | {"paint"})),
    (rehearsal_verbs, _with("`python -m rehearsal paint`")),
    (deploy_commands, lambda project: replace(project, commands=project.commands | {"paint"})),
    (deploy_commands, _with("`python -m deploy paint`")),
    (
        make_calls_what_is_there,
        lambda project: replace(
            project, makefile=f"{project.makefile}\tpython -m deploy paint dev\n"
        ),
    ),
    (
        make_calls_what_is_there,
        lambda project: replace(project, makefile=f"{project.makefile}\t@$(REHEARSAL) paint\n"),
    ),
    (
        make_calls_what_is_there,
        lambda project: replace(
            project, makefile=f"{project.makefile}\t@$(PYTHON) -m tests.paint\n"
        ),
    ),
    (
        stock_image_is_listed,
        lambda project: replace(project, packages=project.packages | {"paint"}),
    ),
    (stock_image_is_listed, lambda project: replace(project, packages=project.packages - {"curl"})),
    (files_exist, _with("`infra/colour.py`")),
    (files_exist, _with("`Colour.toml`")),
    (links_lead_somewhere, _with("[colours](docs/colours.md)")),
    (links_lead_somewhere, _with("[colours](docs/tour.md#colours)")),
]


@pytest.mark.parametrize(
    "rule", dict.fromkeys(rule for rule, _ in BROKEN), ids=lambda rule: rule.__name__
)
def test_the_documents_are_true(project: Project, rule: Rule) -> None:
    untrue = sorted(set(rule(project)))
    assert not untrue, "\n".join(untrue)


@pytest.mark.parametrize(("rule", "spoil"), BROKEN)
def test_the_rule_notices_what_is_wrong(
    project: Project, rule: Rule, spoil: Callable[[Project], Project]
) -> None:
    assert set(rule(spoil(project))) - set(rule(project))
