"""The commands of the section "Large plans" in docs/rehearsal.md, run as they are written there."""

import re
from dataclasses import dataclass

from tests.stack.rig import CHECKOUT, CommandResult, Rig

PAGE = CHECKOUT / "docs/rehearsal.md"
HEADING = "## Large plans"


@dataclass(frozen=True)
class Commands:
    """The code blocks of the section, in their order."""

    seed: str
    """Python: gives the account a base image with the tag on the command line."""
    up: str
    destroy: str

    @classmethod
    def read(cls) -> "Commands":
        section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
        blocks = re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL)
        [seed] = [block for language, block in blocks if language == "python"]
        lines = [
            line
            for language, block in blocks
            if not language
            for line in block.replace("\\\n", " ").splitlines()
        ]
        [up] = [line for line in lines if line.startswith("pulumi up")]
        [destroy] = [line for line in lines if " destroy " in line]
        exports = [line for line in lines if line.startswith("export ")]
        return cls(seed, "\n".join((*exports, up)), "\n".join((*exports, destroy)))


def seed_image(rig: Rig) -> str:
    """Give the account a base image, and return the tag by which the program finds it."""
    preview = rig.deploy("preview")
    match = re.search(r"with the tag (content-[0-9a-f]{16})", preview.output)
    assert match, preview.output[-4000:]
    result = rig.run("python", "-c", Commands.read().seed, match[1])
    assert result.code == 0, result.output
    return match[1]


def run_shell(rig: Rig, script: str) -> CommandResult:
    return rig.run("bash", "-c", script)
