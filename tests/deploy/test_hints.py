"""Messages that name a command name it with the stack, so that it can be pasted."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
INCOMPLETE = re.compile(r"(?<!`)`(python -m deploy \w+|pulumi cancel[\w -]*)`(?!`)")
"""A command in a message; docstrings have two backticks."""


def test_commands_in_messages_name_the_stack() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {match[1]}"
        for package in ("deploy", "infra", "jobs")
        for file in (ROOT / package).rglob("*.py")
        for match in INCOMPLETE.finditer(file.read_text())
    }
    assert not found
