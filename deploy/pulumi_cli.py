"""The Pulumi CLI as a child process that one Ctrl-C ends gracefully."""

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

from deploy import signals

CANCELLING = (
    "cancelling: no step starts any more; steps in progress end, except those that only wait, as "
    "for a Nomad deployment, which goes on without this update; Ctrl-C again kills all"
)


class PulumiCli(PulumiCommand):
    """Runs each CLI command in a process group of its own.

    Otherwise a terminal would send Ctrl-C to the CLI directly, and this process would send it
    again. The CLI takes a second signal as the order to abandon what it is doing.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        """``notify`` receives one line about the effect of an interrupt."""
        super().__init__()
        self.interrupts = 0
        self.is_killed = False
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
            CommandError: the command failed or was interrupted.
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
        stdout: list[str] = []
        stderr: list[str] = []
        readers = [
            threading.Thread(target=_read, args=(child.stdout, stdout, on_output)),
            threading.Thread(target=_read, args=(child.stderr, stderr, on_error)),
        ]
        for reader in readers:
            reader.start()
        try:
            for reader in readers:
                reader.join()
            code = child.wait()
        except KeyboardInterrupt:
            # Its process group does not receive the signal from the terminal.
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
        finally:
            self._child = None
        result = CommandResult(stdout="\n".join(stdout), stderr="\n".join(stderr), code=code)
        if code:
            raise create_command_error(result)
        return result

    def interrupt(self, *, may_kill: bool) -> None:
        """Ask the CLI to end when the steps in progress are done.

        A second call with ``may_kill`` ends the CLI and its plugins at once.
        """
        self.interrupts += 1
        child = self._child
        if child is None:
            return
        if self.interrupts == 1:
            self._notify(CANCELLING)
            child.send_signal(signal.SIGINT)
        elif may_kill and not self.is_killed:
            self._notify("killing: the state may miss the steps in progress")
            self.is_killed = True
            child.send_signal(signal.SIGINT)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Pass Ctrl-C, SIGTERM and SIGHUP on to the CLI while the context lasts."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.interrupt(may_kill=number == signal.SIGINT)

        with signals.handled(on_signal):
            yield


def _read(stream: IO[str], lines: list[str], on_line: OnOutput | None) -> None:
    for line in stream:
        lines.append(line.rstrip())
        if on_line:
            on_line(lines[-1])
    stream.close()
