"""The console of a machine that does not boot, or boots without its services."""

import asyncio
import logging
from pathlib import Path

import pytest

from rehearsal.machines import console
from rehearsal.machines.console import Console

INOTIFY = "Failed to create inotify object: Too many open files"


def test_an_exhausted_limit_is_found_in_the_output(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    watched = Console("web", file)
    assert watched.limit_problem() is None
    file.write_text(f"Starting ssh.service\n  {INOTIFY}\nReached target\n")
    assert watched.limit_problem() == INOTIFY
    assert watched.tail().endswith("Reached target")


def test_the_output_of_an_earlier_start_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "console.log"
    file.write_text(f"{INOTIFY}\n")
    watched = Console("web", file)
    assert watched.limit_problem() is None
    assert watched.tail() == "systemd-nspawn printed nothing"


def test_an_exhausted_limit_is_logged_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(console, "WATCH_INTERVAL_S", 0.01)
    file = tmp_path / "console.log"

    async def boot() -> None:
        watched = Console("web", file)
        watched.watch_boot()
        await asyncio.sleep(0.05)
        file.write_text(f"{INOTIFY}\n")
        await asyncio.sleep(0.2)
        watched.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(boot())
    [record] = caplog.records
    assert "droplet web" in record.getMessage() and INOTIFY in record.getMessage()
