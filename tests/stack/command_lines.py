"""A record of this machine's command lines, which every user can read, so none holds a secret."""

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_INTERVAL_S = 0.05


class CommandLineRecorder:
    """Records the command lines of all processes in a ``with`` block, those of machines too."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._record)
        self._lines: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def programs_with(self, secrets: Iterable[str]) -> list[str]:
        """Return the programs whose command line contained one of ``secrets``."""
        assert any("pulumi" in line for line in self._lines), "no command line was recorded"
        secrets = list(secrets)
        return [
            line.split()[0] for line in self._lines if any(secret in line for secret in secrets)
        ]

    def _record(self) -> None:
        while not self._stopped.wait(POLL_INTERVAL_S):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # the process has ended
                    self._lines.add(file.read_text(errors="replace").replace("\0", " "))
