"""Runs a packed service as a node does: one file, and a Python without other packages."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.pack import pack

TIMEOUT_S = 20.0
POLL_INTERVAL_S = 0.05
REQUEST_TIMEOUT_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Any, timeout: float = TIMEOUT_S) -> Any:
    """Return the first true value of ``condition``; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still false after {timeout} s"
        time.sleep(POLL_INTERVAL_S)
    return value


@dataclass
class Program:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    health_port: int
    """The port of ``/health`` of a service with an authorizer."""
    log_file: Path

    def get(self, path: str = "/") -> httpx.Response:
        return _get(f"http://127.0.0.1:{self.port}{path}")

    def is_healthy(self) -> bool:
        """Whether ``/health`` says so, of a service without an authorizer."""
        return self.get("/health").status_code == 200

    def health(self) -> httpx.Response:
        return _get(f"http://127.0.0.1:{self.health_port}/health")

    def client(self, context: ssl.SSLContext) -> httpx.Client:
        """Return a client of a service with an authorizer, to use as a context manager."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            verify=context,
            timeout=REQUEST_TIMEOUT_S,
            trust_env=False,
        )

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait_for_exit(self, timeout: float = TIMEOUT_S) -> int:
        return self.process.wait(timeout)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def events(self) -> list[str]:
        return [line["event"] for line in self.log()]

    def wait_for_event(self, event: str) -> None:
        """Wait until the log contains ``event``; fail if the process ends before."""

        def is_logged() -> bool:
            assert self.process.poll() is None, (
                f"exited with {self.process.returncode}: {self.log_file.read_text()}"
            )
            return event in self.events()

        eventually(is_logged)


Start = Callable[..., AbstractContextManager[Program]]
"""Starts a service with environment variables."""


def _get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=REQUEST_TIMEOUT_S, trust_env=False)


@contextmanager
def start(service: str, directory: Path, port: int, env: dict[str, str]) -> Iterator[Program]:
    """Run ``service`` with ``env`` and its ports as its whole environment; kill it at the end."""
    log_file = directory / f"{service}-{port}.log"
    command = [sys.executable, "-I", "-S", str(pack(service).path)]
    health_port = free_port()
    ports = {"HOST": "127.0.0.1", "PORT": str(port), "HEALTH_PORT": str(health_port)}
    environment = {"PATH": os.defpath, "DRAIN_SECONDS": "0", **ports, **env}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Program(process, port, health_port, log_file)
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(service: str, directory: Path, **env: str) -> Iterator[Program]:
    """Run ``service`` as ``start`` does, on a free port, and wait until it listens."""
    with start(service, directory, free_port(), env) as program:
        program.wait_for_event("listening")
        yield program
