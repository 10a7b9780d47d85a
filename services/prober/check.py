"""Runs one HTTP or TCP check."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import httpx

from services.duration import parse_duration

Status = Literal["passing", "warning", "critical"]

DEFAULT_TIMEOUT_S = 10.0
NODE_TIMEOUT_S = 5.0
MAX_OUTPUT_CHARACTERS = 4096
"""Consul's own limit of a check's output."""


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, as Consul stores it."""

    status: Status
    output: str


def seconds(duration: str) -> float:
    """Return the seconds of a duration in the catalogue, 0 if it is empty.

    Raises:
        ValueError: ``duration`` is not a duration.
    """
    return parse_duration(duration).total_seconds() if duration else 0.0


async def run_check(definition: Mapping[str, Any]) -> CheckResult:
    """Run a check of the catalogue once, as its ``Definition`` says. A failure is a result too."""
    timeout = seconds(definition.get("Timeout", "")) or DEFAULT_TIMEOUT_S
    try:
        async with asyncio.timeout(timeout):
            if definition.get("HTTP"):
                return await _check_http(definition)
            return await _check_tcp(definition["TCP"])
    except TimeoutError:
        return CheckResult("critical", f"no answer within {timeout:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return CheckResult("critical", str(error) or type(error).__name__)


async def is_reachable(host: str, ports: list[int], timeout: float = NODE_TIMEOUT_S) -> bool:
    """Return whether ``host`` accepts or refuses a TCP connection on one of ``ports``."""

    async def answers(port: int) -> bool:
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return any(await asyncio.gather(*map(answers, ports)))


async def _check_http(definition: Mapping[str, Any]) -> CheckResult:
    url, method = definition["HTTP"], definition.get("Method") or "GET"
    headers = [
        (name, value)
        for name, values in (definition.get("Header") or {}).items()
        for value in values
    ]
    context = _tls_context(bool(definition.get("TLSSkipVerify")))
    async with httpx.AsyncClient(
        verify=context, trust_env=False, follow_redirects=True, timeout=None
    ) as client:
        response = await client.request(
            method, url, headers=headers, content=definition.get("Body") or None
        )
    summary = f"HTTP {method} {url}: {response.status_code} {response.reason_phrase}"
    output = f"{summary} Output: {response.text}"[:MAX_OUTPUT_CHARACTERS]
    if response.is_success:
        return CheckResult("passing", output)
    is_warning = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    return CheckResult("warning" if is_warning else "critical", output)


async def _check_tcp(target: str) -> CheckResult:
    host, _, port = target.rpartition(":")
    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()
    return CheckResult("passing", f"TCP connect {target}: Success")


@cache
def _tls_context(skip_verification: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if skip_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
