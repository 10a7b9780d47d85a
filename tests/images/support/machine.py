"""A directory as a machine's root, on which tool-enrol runs without systemd."""

import io
import json
import stat
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.images.support.programs import LoadModule

MODULES = (
    "tool_enrol",
    "leave_cluster",
    "nomad_prestart",
    "node",
    "node_tls",
    "permit_bootstrap",
    "recover_server",
    "resolver",
    "schedule_backups",
)
"""The modules with paths of the machine."""


class Machine:
    """A machine's files, and the arguments of the systemctl commands of the last enrolment."""

    def __init__(self, root: Path, load: LoadModule, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.systemctl_calls: list[str] = []
        self.before_start: dict[str, Callable[[], None]] = {}
        """What happens when systemctl starts a unit, by the unit's name."""
        self._monkeypatch = monkeypatch
        for name in MODULES:
            for constant, path in list(vars(load(name)).items()):
                if isinstance(path, Path) and path.is_absolute():
                    monkeypatch.setattr(load(name), constant, root / path.relative_to("/"))
        self._tool_enrol = load("tool_enrol")
        monkeypatch.setattr(load("files"), "group_id", lambda group: root.stat().st_gid)
        address = ("eth1", IPv4Address("10.10.0.7"))
        monkeypatch.setattr(load("node"), "find_private_address", lambda vpc: address)
        monkeypatch.setattr(self._tool_enrol.subprocess, "run", self._run)
        for directory in (
            "etc/consul.d",
            "etc/nomad.d",
            "etc/slipway",
            "etc/ssh/sshd_config.d",
            "var/lib/consul",
            "var/lib/nomad",
            "run",
        ):
            (root / directory).mkdir(parents=True)
        self.write("proc/sys/kernel/random/boot_id", "first")
        self.write("etc/resolv.conf", "nameserver 192.0.2.53\n")

    def _run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.systemctl_calls.append(" ".join(command[1:]))
        if command[1] == "start" and command[2] in self.before_start:
            self.before_start[command[2]]()
        return subprocess.CompletedProcess(command, 0)

    def write(self, path: str, text: str = "") -> None:
        """Write a file and create its directory."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text()

    def has(self, path: str) -> bool:
        """Return whether the path exists."""
        return (self.root / path).exists()

    def mode(self, path: str) -> int:
        """Return the permissions of a path."""
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def enrol(self, bundle: dict[str, Any] | str) -> int:
        """Run tool-enrol with the bundle and return its exit status."""
        self.systemctl_calls.clear()
        text = bundle if isinstance(bundle, str) else json.dumps(bundle)
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        status: int = self._tool_enrol.main()
        return status
