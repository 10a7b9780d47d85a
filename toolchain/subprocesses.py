"""Run the commands that install and build, and read their output while they run."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from toolchain.errors import ToolError

MAX_ERROR_CHARACTERS = 2000

LineReader = Callable[[str], bool]
"""Reads a line of output; returns whether it reports progress only, and belongs in no error."""


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: LineReader = lambda line: False,
) -> str:
    """Run ``command`` to its end and return its standard output.

    Args:
        env: variables to set in addition to this process's own.
        on_line: called with each line of output and error output as it appears.

    Raises:
        ToolError: the command failed; the message ends with what it printed.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}") from error
    messages: list[str] = []

    def read(stream: IO[str]) -> str:
        lines = []
        for line in stream:
            lines.append(line)
            if not on_line(line.rstrip()):
                messages.append(line)
        return "".join(lines)

    assert process.stdout and process.stderr
    with process, ThreadPoolExecutor(2) as pool:
        try:
            stdout, _ = pool.map(read, (process.stdout, process.stderr))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        output = "".join(messages).strip()[-MAX_ERROR_CHARACTERS:]
        raise ToolError(f"`{' '.join(command)}` failed:\n{output}")
    return stdout
