"""A cloud's API as a process of this machine: whether it runs and answers, how it is started and ended."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearsal.config import CloudConfig
from toolchain.paths import ROOT

START_SECONDS = 600
"""Long enough to make the stock image, which happens once."""
STOP_SECONDS = 20
FREE_SECONDS = 2
LAST_WORDS = 1500


class StartError(Exception):
    """The API does not start; the message says why."""


def _file(config: CloudConfig) -> Path:
    return config.directory / "api.pid"


def claim(config: CloudConfig) -> None:
    """Let this process be known as the cloud's API."""
    _file(config).write_text(str(os.getpid()))


def pid(config: CloudConfig) -> int | None:
    """The API's process, if it is alive; a number that another program has by now is nobody's."""
    try:
        number = int(_file(config).read_text())
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return number if b"serve" in words and config.name.encode() in words else None


def answers(config: CloudConfig) -> bool:
    """Whether the cloud's API is up and its machine kind has started; not if somebody else answers on its port."""
    return pid(config) is not None and _health(config).get("ready") is True


def _health(config: CloudConfig) -> dict[str, Any]:
    """What the API says of itself; nothing if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", config.port, timeout=2)
    try:
        connection.request("GET", "/_rehearsal/health")
        told = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return told if isinstance(told, dict) else {}


def is_free(port: int) -> bool:
    """Whether one can listen on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def becomes_free(port: int) -> bool:
    """Likewise, with patience: one who was killed a moment ago may still have it."""
    return any(is_free(port) for _ in _until(FREE_SECONDS))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A Ctrl-C meanwhile comes at the end: no process is started that nobody knows of."""
    came: list[int] = []
    former = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if came:
        raise KeyboardInterrupt


def start(config: CloudConfig) -> "subprocess.Popen[bytes]":
    """Begin to serve the cloud's API in the background, in a session of its own: a Ctrl-C here is none there."""
    with _log(config).open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "rehearsal", "serve", "--cloud", config.name],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def wait(config: CloudConfig, started: "subprocess.Popen[bytes] | None") -> None:
    """Returns once the API answers; ``started`` is its process, if this one started it.

    Raises:
        StartError: it never will, or takes too long.
    """
    for _ in _until(START_SECONDS):
        health = _health(config) if pid(config) is not None else {}
        if health.get("ready") is True:
            return
        if "error" in health:
            raise StartError(
                f"cloud {config.name} does not start: {health['error']}\nmore in {config.directory / 'api.log'}"
            )
        if started.poll() is not None if started else pid(config) is None:
            break
    words = _log(config).read_text(errors="replace").strip()[-LAST_WORDS:]
    raise StartError(f"cloud {config.name} does not start; the end of {_log(config)}:\n{words}")


def end(config: CloudConfig) -> None:
    """End the API, if it runs, and what it was running: asked first, killed after a while."""
    number = pid(config)
    if number is None:
        return
    with contextlib.suppress(ProcessLookupError):
        _signal(number, signal.SIGTERM)
        for _ in _until(STOP_SECONDS):
            if _has_ended(number):
                return
        _signal(number, signal.SIGKILL)


def end_started(config: CloudConfig, started: "subprocess.Popen[bytes]") -> None:
    """End a process that ``start`` gave, even one that is not yet known as the cloud's API."""
    if started.poll() is None and pid(config) != started.pid:
        os.killpg(started.pid, signal.SIGTERM)
    end(config)
    started.wait()


def _has_ended(number: int) -> bool:
    """Whether a process has let go of all that it had; one that is about to end has no words, but still its port."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _signal(number: int, signal_number: signal.Signals) -> None:
    """To its group where it leads one, as it does unless somebody runs it in the foreground."""
    if os.getpgid(number) == number:
        os.killpg(number, signal_number)
    else:
        os.kill(number, signal_number)


def _log(config: CloudConfig) -> Path:
    return config.directory / "server.log"


def _until(seconds: float) -> Iterator[None]:
    """Poll: yields until ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
