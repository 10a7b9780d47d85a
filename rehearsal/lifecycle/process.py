"""The API of a cloud as a background process: its state, start and stop."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from rehearsal.config import CloudConfig
from rehearsal.polling import wait_until
from rehearsal.subprocesses import find_process
from toolchain.paths import ROOT

START_TIMEOUT_S = 600
"""Long enough to build the stock image, which happens once."""
STOP_TIMEOUT_S = 20
PORT_TIMEOUT_S = 2
HEALTH_TIMEOUT_S = 2
MAX_LOG_CHARS = 1500
UNASSIGNED_PORTS = range(20000, 32768)
"""Linux gives ports from 32768 to clients, which could take a chosen port before its server."""
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and a closed terminal."""


class StartError(Exception):
    """The API does not start; the message has the reason."""


def record_pid(config: CloudConfig) -> None:
    """Record this process as the API of the cloud."""
    _pid_file(config).write_text(str(os.getpid()))


def find_pid(config: CloudConfig) -> int | None:
    """Return the process ID of the cloud's API, or None if it does not run."""
    return find_process(_pid_file(config), "serve", config.name)


def is_ready(config: CloudConfig) -> bool:
    """Return whether the cloud's own API answers and its machines have started."""
    return _get_health(config).get("ready") is True


def _get_health(config: CloudConfig) -> dict[str, Any]:
    """Return the response of the health endpoint; empty if the API does not run or answer.

    Without the check of the process, another program on the port could pass for the API.
    """
    if find_pid(config) is None:
        return {}
    connection = http.client.HTTPConnection("127.0.0.1", config.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/_rehearsal/health")
        body = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return body if isinstance(body, dict) else {}


def is_port_free(port: int) -> bool:
    """Return whether a process can listen on the loopback port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_port_free(port: int) -> bool:
    """Return whether the port is free, or soon becomes free: a killed process may still hold it."""
    return wait_until(lambda: is_port_free(port), PORT_TIMEOUT_S)


def find_free_port() -> int:
    """Return a loopback port that no process listens on.

    Raises:
        OSError: all ports are in use.
    """
    for port in random.sample(UNASSIGNED_PORTS, len(UNASSIGNED_PORTS)):
        if is_port_free(port):
            return port
    raise OSError(f"no port from {UNASSIGNED_PORTS.start} to {UNASSIGNED_PORTS.stop - 1} is free")


@contextlib.contextmanager
def handle_interrupts(
    handler: Callable[[int, FrameType | None], object] = signal.default_int_handler,
) -> Iterator[None]:
    """Call ``handler``, or raise ``KeyboardInterrupt``, at each of ``INTERRUPTS`` in the block.

    A signal stays ignored if it is, as SIGHUP by ``nohup``.
    """
    former = {
        number: signal.signal(number, handler)
        for number in INTERRUPTS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, previous in former.items():
            signal.signal(number, previous)


@contextlib.contextmanager
def defer_interrupt() -> Iterator[None]:
    """Delay an interrupt to the end of the block, so that each started process can be recorded."""
    received: list[int] = []
    with handle_interrupts(lambda number, _: received.append(number)):
        yield
    if received:
        raise KeyboardInterrupt


def start(config: CloudConfig) -> "subprocess.Popen[bytes]":
    """Start the API in the background, in its own session, which a Ctrl-C does not reach."""
    with _log_file(config).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rehearsal", "serve", "--cloud", config.name],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until_ready(config: CloudConfig, started: "subprocess.Popen[bytes] | None") -> None:
    """Wait until the API is ready; ``started`` is its process if this program started it.

    Raises:
        StartError: the API reports an error, ends, or takes too long.
    """
    health: dict[str, Any] = {}

    def has_outcome() -> bool:
        nonlocal health
        health = _get_health(config)
        has_ended = started.poll() is not None if started else find_pid(config) is None
        return health.get("ready") is True or "error" in health or has_ended

    wait_until(has_outcome, START_TIMEOUT_S)
    if health.get("ready") is True:
        return
    if "error" in health:
        raise StartError(
            f"cloud {config.name} does not start: {health['error']}\n"
            f"for details see {config.directory / 'api.log'}"
        )
    log = _log_file(config).read_text(errors="replace").strip()[-MAX_LOG_CHARS:]
    raise StartError(f"cloud {config.name} does not start; the end of {_log_file(config)}:\n{log}")


def stop(config: CloudConfig) -> None:
    """Stop the API and its children, if it runs: SIGTERM, then SIGKILL after a timeout."""
    pid = find_pid(config)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        _send_signal(pid, signal.SIGTERM)
        if not wait_until(lambda: _has_ended(pid), STOP_TIMEOUT_S):
            _send_signal(pid, signal.SIGKILL)


def stop_started(config: CloudConfig, started: "subprocess.Popen[bytes]") -> None:
    """Stop a process that ``start`` returned, even if it has not recorded its ID yet."""
    if started.poll() is None and find_pid(config) != started.pid:
        os.killpg(started.pid, signal.SIGTERM)
    stop(config)
    started.wait()


def _has_ended(pid: int) -> bool:
    """Return whether a process has released its port: ended, or a zombie.

    ``/proc/PID/cmdline`` cannot tell: it is empty already while the process still exits.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def _send_signal(pid: int, signal_number: signal.Signals) -> None:
    """Signal the process's group if it leads one; an API in the foreground does not."""
    if os.getpgid(pid) == pid:
        os.killpg(pid, signal_number)
    else:
        os.kill(pid, signal_number)


def _pid_file(config: CloudConfig) -> Path:
    return config.directory / "api.pid"


def _log_file(config: CloudConfig) -> Path:
    return config.directory / "server.log"
