"""The Pulumi CLI as a child process that one Ctrl-C ends in good order."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import IO

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error


class PulumiCli(PulumiCommand):
    """Runs each CLI command in a process group of its own.

    Without that, a terminal's Ctrl-C would reach the CLI directly and again through us, and it takes two as an order to
    drop what it is doing.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        """``notify`` is told, in one line, what an interrupt does."""
        super().__init__()
        self.interrupts = 0
        self.killed = False
        self._notify = notify
        self._child: subprocess.Popen[str] | None = None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run ``pulumi ARGS`` in ``cwd`` and return what it printed.

        Raises:
            CommandError: it failed, or was interrupted.
        """
        child = subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
            encoding="utf-8",
            process_group=0,
        )
        self._child = child
        assert child.stdout and child.stderr
        out: list[str] = []
        err: list[str] = []
        readers = [
            threading.Thread(target=_read, args=(child.stdout, out, on_output)),
            threading.Thread(target=_read, args=(child.stderr, err, on_error)),
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        code = child.wait()
        self._child = None
        result = CommandResult(stdout="\n".join(out), stderr="\n".join(err), code=code)
        if code:
            raise create_command_error(result)
        return result

    def interrupt(self, may_kill: bool) -> None:
        """Ask the CLI to end what it is doing; asked once more with ``may_kill``, to end itself and its plugins at once."""
        self.interrupts += 1
        child = self._child
        if child is None:
            return
        if self.interrupts == 1:
            self._notify("cancelling: what is in progress ends first; Ctrl-C again kills it")
            child.send_signal(signal.SIGINT)
        elif may_kill and not self.killed:
            self._notify("killing: the state may miss what was in progress")
            self.killed = True
            child.send_signal(signal.SIGINT)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Hand Ctrl-C and SIGTERM to the CLI while this lasts."""

        def handle(number: int, frame: FrameType | None) -> None:
            self.interrupt(may_kill=number == signal.SIGINT)

        before = {
            number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _read(stream: IO[str], lines: list[str], tell: OnOutput | None) -> None:
    for line in stream:
        lines.append(line.rstrip())
        if tell:
            tell(lines[-1])
    stream.close()
