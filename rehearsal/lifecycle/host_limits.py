"""Kernel limits of this machine that many droplets need: raised by ``up``, restored by ``down``.

Droplets share the limits of this machine's users. With the kernel's defaults about 20 droplets use
up root's inotify instances, and the next one boots without sshd ("Too many open files").
The former values are recorded for the whole machine, not for one state directory, because clouds of
all state directories share the limits. The record is in /run: like the values, it ends at a reboot.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehearsal import atomic_file

MINIMUMS = {
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524_288,
    "kernel.keys.maxbytes": 2_000_000,
    "kernel.keys.maxkeys": 2_000,
    "kernel.keys.root_maxbytes": 25_000_000,
    "kernel.keys.root_maxkeys": 1_000_000,
    "kernel.pid_max": 131_072,
}
"""Enough for several hundred droplets. systemd creates a session keyring for each service."""


@dataclass(frozen=True)
class Change:
    """A limit before and after it was raised."""

    former: int
    raised: int


class HostLimits:
    """Raises and restores the limits of the host, and records the former values."""

    def __init__(
        self,
        proc_sys: Path = Path("/proc/sys"),
        record: Path = Path("/run/slipway/host-limits.json"),
    ) -> None:
        self._proc_sys = proc_sys
        self._record = record

    def raise_limits(self) -> list[str]:
        """Raise each limit that is below its minimum; return one message per limit.

        A limit that cannot be written, as in a container, only yields a message with the remedy.
        """
        messages = []
        with self._lock():
            changes = self._load()
            for name, minimum in MINIMUMS.items():
                current = self._read(name)
                if current is None or current >= minimum:
                    continue
                recorded = changes.get(name, Change(current, current))
                former = recorded.former if recorded.raised == current else current
                # The record comes first, so that a crash in between loses no former value.
                self._save({**changes, name: Change(former, minimum)})
                try:
                    self._file(name).write_text(f"{minimum}\n")
                except OSError as error:
                    self._save(changes)
                    messages.append(
                        f"cannot raise {name} from {current} to {minimum} ({error.strerror}): "
                        f"many droplets may fail to boot; run `sysctl -w {name}={minimum}` "
                        "on the host"
                    )
                    continue
                changes[name] = Change(former, minimum)
                messages.append(f"raised {name} from {current} to {minimum}")
        return messages

    def restore_limits(self) -> list[str]:
        """Restore the recorded values; return one message per limit.

        A limit that has another value than the recorded one was changed by somebody else meanwhile
        and stays as it is.
        """
        messages = []
        with self._lock():
            for name, change in self._load().items():
                if self._read(name) != change.raised:
                    continue
                try:
                    self._file(name).write_text(f"{change.former}\n")
                except OSError as error:
                    messages.append(
                        f"cannot restore {name} to {change.former} ({error.strerror}): "
                        f"run `sysctl -w {name}={change.former}` on the host"
                    )
                    continue
                messages.append(f"restored {name} from {change.raised} to {change.former}")
            self._record.unlink(missing_ok=True)
        return messages

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Exclude other processes that change the limits."""
        self._record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = os.open(self._record.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def _file(self, name: str) -> Path:
        return self._proc_sys / name.replace(".", "/")

    def _read(self, name: str) -> int | None:
        """Return the current value; None if this kernel has no such limit."""
        try:
            return int(self._file(name).read_text())
        except (OSError, ValueError):
            return None

    def _load(self) -> dict[str, Change]:
        try:
            record = json.loads(self._record.read_text())
        except FileNotFoundError:
            return {}
        return {name: Change(**change) for name, change in record.items()}

    def _save(self, changes: dict[str, Change]) -> None:
        record = {name: vars(change) for name, change in changes.items()}
        atomic_file.write(self._record, json.dumps(record, indent=2).encode())
