#!/usr/bin/python3
"""tool-hc: is this node fit to serve? Exits as a Consul script check does: 0 passing, 1 warning, 2 critical.

Critical takes the node's services out of DNS, so that is kept for a node about to fail them: a disk or a memory
nearly full. An agent that does not answer leaves running tasks unharmed, and is a warning.
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
FREE_DISK_PERCENT = {WARNING: 10.0, CRITICAL: 3.0}
FREE_MEMORY_PERCENT = {WARNING: 8.0, CRITICAL: 3.0}
CONSUL = ("127.0.0.1", 8500)
NOMAD = ("127.0.0.1", 4646)
AGENT_SECONDS = 2
CERTIFICATE_DAYS = 20
"""Of a certificate of 90 days; another one is due 30 days before its end."""
DAY_SECONDS = 86400
LEAVING = Path("/run/node-leaving")
"""There once the machine goes down. A change of the check's state then would register a node that has just left."""

Finding = tuple[int, str]


def judge(what: str, free_percent: float, limits: dict[int, float]) -> Finding:
    """How bad it is that only so much of ``what`` is free."""
    level = next((level for level in (CRITICAL, WARNING) if free_percent < limits[level]), PASSING)
    return level, f"{what} {free_percent:.0f}% free"


def disk(path: Path) -> Finding:
    """What ordinary users may still write to the file system of ``path``, in bytes or in files."""
    stat = os.statvfs(path)
    free = [
        stat.f_bavail / stat.f_blocks if stat.f_blocks else 1.0,
        stat.f_favail / stat.f_files if stat.f_files else 1.0,
    ]
    return judge(f"disk {path}", 100 * min(free), FREE_DISK_PERCENT)


def memory(meminfo: str) -> Finding:
    """``meminfo`` is the text of /proc/meminfo."""
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if line}
    return judge(
        "memory", 100 * kilobytes["MemAvailable"] / kilobytes["MemTotal"], FREE_MEMORY_PERCENT
    )


def consul() -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*CONSUL, timeout=AGENT_SECONDS)


def nomad() -> http.client.HTTPConnection:
    return http.client.HTTPSConnection(*NOMAD, timeout=AGENT_SECONDS, context=node_tls.context())


def certificate(not_after: str, now: float) -> Finding:
    """Will the node's certificate be good for a while? ``not_after`` is its end as ssl tells it, ``now`` in Unix seconds."""
    seconds = ssl.cert_time_to_seconds(not_after)
    level = WARNING if seconds - now < CERTIFICATE_DAYS * DAY_SECONDS else PASSING
    return level, f"certificate ends {time.strftime('%Y-%m-%d', time.gmtime(seconds))}"


def agent(
    name: str, dial: Callable[[], http.client.HTTPConnection], path: str
) -> Iterator[Finding]:
    """Does the agent answer on this machine, on a path that takes no token? Over TLS it shows the node's certificate."""
    try:
        connection = dial()
        try:
            connection.connect()
            shown = (
                connection.sock.getpeercert()
                if isinstance(connection.sock, ssl.SSLSocket)
                else None
            )
            connection.request("GET", path)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as failed:
        yield WARNING, f"{name} does not answer: {failed}"
        return
    if shown:
        yield certificate(str(shown["notAfter"]), time.time())
    yield (PASSING, f"{name} answers") if status == 200 else (WARNING, f"{name} answers {status}")


def findings() -> Iterator[Finding]:
    disks = {path.stat().st_dev: path for path in reversed(DISK_PATHS) if path.exists()}
    yield from (disk(path) for path in disks.values())
    yield memory(Path("/proc/meminfo").read_text())
    yield from agent("consul", consul, "/v1/status/leader")
    yield from agent("nomad", nomad, "/v1/agent/health")


def main() -> int:
    if LEAVING.exists():
        print("the node is leaving")
        return PASSING
    found = sorted(findings(), reverse=True)
    print("; ".join(text for _, text in found))
    return found[0][0]


if __name__ == "__main__":
    sys.exit(main())
