"""The command lines of this machine's processes while something happens: any user may read them, so no secret is in one."""

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_SECONDS = 0.05


class CommandLines:
    """Looks again and again until the block ends, at the machines' processes too."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def naming(self, secrets: Iterable[str]) -> list[str]:
        """The programs of which a command line named one of ``secrets``."""
        assert any("pulumi" in line for line in self._seen), "nothing was seen"
        return [line.split()[0] for line in self._seen if any(secret in line for secret in secrets)]

    def _look(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    self._seen.add(file.read_text(errors="replace").replace("\0", " "))
