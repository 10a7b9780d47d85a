"""A packed service, run as a node runs it: the one file, and a Python that has nothing else."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.pack import pack


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Program:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    health_port: int
    """Where a service with a gate tells its health."""
    log_file: Path

    def get(self, path: str = "/") -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, trust_env=False)

    def health(self) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.health_port}/health", timeout=10, trust_env=False)

    def client(self, context: ssl.SSLContext) -> httpx.Client:
        """To a service with a gate, which is not asked for its name; use it as a context manager."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", verify=context, timeout=10, trust_env=False
        )

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self, timeout: float = 20) -> int:
        return self.process.wait(timeout)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def events(self) -> list[str]:
        return [line["event"] for line in self.log()]

    def until(self, event: str, seconds: float = 20) -> None:
        """Wait until the log tells ``event``."""
        deadline = time.monotonic() + seconds
        while event not in self.events():
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode}: {self.log_file.read_text()}"
            )
            assert time.monotonic() < deadline, f"no {event!r} in {self.log_file.read_text()}"
            time.sleep(0.05)


@contextmanager
def start(service: str, directory: Path, port: int, env: dict[str, str]) -> Iterator[Program]:
    """Run ``service`` with no more than ``env`` in its environment; it is gone at the end."""
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
    """As ``start``, on a port of its own, once it listens."""
    with start(service, directory, free_port(), env) as program:
        program.until("listening")
        yield program


def eventually(done: Any, seconds: float = 20) -> Any:
    """The first true value of ``done()``."""
    deadline = time.monotonic() + seconds
    while not (value := done()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
    return value
