"""The commands of the page on large plans, run as they stand there."""

import re
from dataclasses import dataclass

from tests.stack.rig import CHECKOUT, Done, Rig

PAGE = CHECKOUT / "docs/rehearsal.md"
HEADING = "## Large plans"


@dataclass(frozen=True)
class Commands:
    """The page's blocks, in their order."""

    seed: str
    """Python: gives the account a base image by the tag on the command line."""
    up: str
    destroy: str

    @classmethod
    def of_page(cls) -> "Commands":
        section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
        blocks = re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL)
        [seed] = [block for language, block in blocks if language == "python"]
        shell = [
            line
            for language, block in blocks
            if not language
            for line in block.replace("\\\n", " ").splitlines()
        ]
        [up] = [line for line in shell if line.startswith("pulumi up")]
        [destroy] = [line for line in shell if " destroy " in line]
        set_up = [line for line in shell if line.startswith("export ")]
        return cls(seed, "\n".join((*set_up, up)), "\n".join((*set_up, destroy)))


def seeded(rig: Rig) -> str:
    """Give the account a base image, as the page says; returns the tag by which the program finds it."""
    preview = rig.deploy("preview")
    found = re.search(r"bear the tag (content-[0-9a-f]{16})", preview.said)
    assert found, preview.said[-4000:]
    done = rig.run("python", "-c", Commands.of_page().seed, found[1])
    assert done.code == 0, done.said
    return found[1]


def shell(rig: Rig, line: str) -> Done:
    return rig.run("bash", "-c", line)
