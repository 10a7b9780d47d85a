#!/usr/bin/python3
"""tool-hc: the node's health check, with the exit status of a Consul script check.

0 is passing, 1 warning and 2 critical. Consul removes the services of a critical node from DNS.
So only what will make services fail is critical: a disk or memory that is almost full. An agent
that does not answer is a warning, because running tasks continue.
"""

import http.client
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import node_tls

PASSING, WARNING, CRITICAL = 0, 1, 2
DISK_PATHS = (Path("/"), Path("/var/lib/nomad"))
MIN_FREE_DISK_PERCENT = {WARNING: 10.0, CRITICAL: 3.0}
MIN_FREE_MEMORY_PERCENT = {WARNING: 8.0, CRITICAL: 3.0}
CONSUL = ("127.0.0.1", 8500)
NOMAD = ("127.0.0.1", 4646)
AGENT_TIMEOUT_S = 2
MIN_CERTIFICATE_DAYS = 20
"""A certificate is valid for 90 days, and the stack renews it 30 days before its end."""
DAY_S = 86400
SHUTDOWN_MARKER = Path("/run/node-shutdown")
"""nomad.service creates it when the machine shuts down. The check then keeps passing, because a
change of its state would register a node again that has just left."""

Finding = tuple[int, str]
"""A status and its description."""


def rate_free_space(name: str, free_percent: float, minimums: dict[int, float]) -> Finding:
    """Return the status of a resource of which ``free_percent`` is free."""
    levels = (CRITICAL, WARNING)
    status = next((level for level in levels if free_percent < minimums[level]), PASSING)
    return status, f"{name} {free_percent:.0f}% free"


def check_disk(path: Path) -> Finding:
    """Check the free bytes and inodes that ordinary users have on the file system of ``path``."""
    stat = os.statvfs(path)
    free = [
        stat.f_bavail / stat.f_blocks if stat.f_blocks else 1.0,
        stat.f_favail / stat.f_files if stat.f_files else 1.0,
    ]
    return rate_free_space(f"disk {path}", 100 * min(free), MIN_FREE_DISK_PERCENT)


def check_memory(meminfo: str) -> Finding:
    """Check the available memory; ``meminfo`` is the text of /proc/meminfo."""
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if line}
    free_percent = 100 * kilobytes["MemAvailable"] / kilobytes["MemTotal"]
    return rate_free_space("memory", free_percent, MIN_FREE_MEMORY_PERCENT)


def connect_to_consul() -> http.client.HTTPConnection:
    """Return a connection to this node's Consul agent."""
    return http.client.HTTPConnection(*CONSUL, timeout=AGENT_TIMEOUT_S)


def connect_to_nomad() -> http.client.HTTPConnection:
    """Return a connection to this node's Nomad agent."""
    context = node_tls.create_context()
    return http.client.HTTPSConnection(*NOMAD, timeout=AGENT_TIMEOUT_S, context=context)


def check_certificate(not_after: str, now: float) -> Finding:
    """Check how long the node's certificate is valid.

    Args:
        not_after: its end, in the format of ``ssl.SSLSocket.getpeercert``.
        now: Unix time in seconds.
    """
    end = ssl.cert_time_to_seconds(not_after)
    status = WARNING if end - now < MIN_CERTIFICATE_DAYS * DAY_S else PASSING
    return status, f"certificate ends {time.strftime('%Y-%m-%d', time.gmtime(end))}"


def check_agent(
    name: str, connect: Callable[[], http.client.HTTPConnection], path: str
) -> Iterator[Finding]:
    """Check that the agent answers a request that needs no token, and over TLS its certificate."""
    try:
        connection = connect()
        try:
            connection.connect()
            socket = connection.sock
            certificate = socket.getpeercert() if isinstance(socket, ssl.SSLSocket) else None
            connection.request("GET", path)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        yield WARNING, f"{name} does not answer: {error}"
        return
    if certificate:
        yield check_certificate(str(certificate["notAfter"]), time.time())
    yield (PASSING, f"{name} answers") if status == 200 else (WARNING, f"{name} answers {status}")


def run_checks() -> Iterator[Finding]:
    """Run all checks."""
    disks = {path.stat().st_dev: path for path in reversed(DISK_PATHS) if path.exists()}
    yield from (check_disk(path) for path in disks.values())
    yield check_memory(Path("/proc/meminfo").read_text())
    yield from check_agent("consul", connect_to_consul, "/v1/status/leader")
    yield from check_agent("nomad", connect_to_nomad, "/v1/agent/health")


def main() -> int:
    """Print the findings, worst first; return the worst status."""
    if SHUTDOWN_MARKER.exists():
        print("the machine is shutting down")
        return PASSING
    findings = sorted(run_checks(), reverse=True)
    print("; ".join(text for _, text in findings))
    return findings[0][0]


if __name__ == "__main__":
    sys.exit(main())
