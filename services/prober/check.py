"""One look at something outside: a URL, or a TCP port."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import httpx

from services.duration import parse_duration

Status = Literal["passing", "warning", "critical"]

DEFAULT_TIMEOUT = 10.0
OUTPUT_LIMIT = 4096
"""Characters of an answer that are kept, as Consul does."""


@dataclass(frozen=True)
class Finding:
    """What a look showed, in Consul's terms."""

    status: Status
    output: str


def seconds(duration: str) -> float:
    """Return the seconds of a duration in the catalogue, 0 if it is empty.

    Raises:
        ValueError: ``duration`` is not a duration.
    """
    return parse_duration(duration).total_seconds() if duration else 0.0


async def probe(definition: Mapping[str, Any]) -> Finding:
    """Run a check of the catalog once, as its ``Definition`` says; never raises for what it finds."""
    timeout = seconds(definition.get("Timeout", "")) or DEFAULT_TIMEOUT
    try:
        async with asyncio.timeout(timeout):
            if definition.get("HTTP"):
                return await _http(definition)
            return await _tcp(definition["TCP"])
    except TimeoutError:
        return Finding("critical", f"no answer within {timeout:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return Finding("critical", str(error) or type(error).__name__)


async def reach(address: str, ports: list[int], timeout: float = 5.0) -> bool:
    """Whether a machine answers at ``address``: it accepts a connection on one of ``ports``, or refuses it."""

    async def answers(port: int) -> bool:
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(address, port)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return any(await asyncio.gather(*map(answers, ports)))


async def _http(definition: Mapping[str, Any]) -> Finding:
    url, method = definition["HTTP"], definition.get("Method") or "GET"
    headers = [
        (name, value)
        for name, values in (definition.get("Header") or {}).items()
        for value in values
    ]
    context = _tls(bool(definition.get("TLSSkipVerify")))
    async with httpx.AsyncClient(
        verify=context, trust_env=False, follow_redirects=True, timeout=None
    ) as client:
        response = await client.request(
            method, url, headers=headers, content=definition.get("Body") or None
        )
    output = f"HTTP {method} {url}: {response.status_code} {response.reason_phrase} Output: {response.text}"[
        :OUTPUT_LIMIT
    ]
    if response.is_success:
        return Finding("passing", output)
    return Finding(
        "warning" if response.status_code == httpx.codes.TOO_MANY_REQUESTS else "critical", output
    )


async def _tcp(target: str) -> Finding:
    host, _, port = target.rpartition(":")
    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()
    return Finding("passing", f"TCP connect {target}: Success")


@cache
def _tls(trust_all: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if trust_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
