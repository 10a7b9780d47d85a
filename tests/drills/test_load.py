"""The load generator against a server on loopback."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.drills.load import Load

RATE = 100
BODY = b'{"backserve": {"service": "backserve"}}'
GOOD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nno healthy backserve"

Respond = Callable[[int], Awaitable[bytes]]
"""Returns the response to the request with this number; empty closes the connection."""


@contextmanager
def serve(respond: Respond) -> Iterator[str]:
    """Run a server on loopback and yield its URL."""
    ready, stop = threading.Event(), threading.Event()
    count, port = 0, 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        number = count
        await reader.readuntil(b"\r\n\r\n")
        writer.write(await respond(number))
        writer.close()

    async def run() -> None:
        nonlocal port
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.01)
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(5)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        stop.set()
        thread.join()


async def respond_ok(_number: int) -> bytes:
    return GOOD


def test_every_request_to_a_healthy_server_succeeds() -> None:
    with serve(respond_ok) as url, Load(url, RATE) as load:
        load.wait_for_requests(30)
    assert load.report.sent >= 30
    assert load.report.failures == []
    assert 0 < load.report.slowest_s < 5


def test_requests_start_at_the_given_rate() -> None:
    with serve(respond_ok) as url:
        start = time.monotonic()
        with Load(url, RATE) as load:
            load.wait_for_requests(50)
        duration_s = time.monotonic() - start
    assert duration_s >= 49 / RATE
    assert load.report.sent <= duration_s * RATE + 1


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (UNAVAILABLE, "ValueError: HTTP/1.1 503 Service Unavailable"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "ValueError: HTTP/1.1 200 OK"),
        (b"", "ValueError"),
    ],
    ids=["status 503", "no answer of backserve", "closed connection"],
)
def test_each_failed_request_is_counted_once_with_its_reason(response: bytes, reason: str) -> None:
    failing = {5, 6, 7}

    async def respond(number: int) -> bytes:
        return response if number in failing else GOOD

    with serve(respond) as url, Load(url, RATE) as load:
        load.wait_for_requests(20)
    assert len(load.report.failures) == len(failing)
    for failure in load.report.failures:
        assert failure.reason.startswith(reason)
        assert 0 <= failure.started_s < 5


def test_a_refused_connection_is_a_failure() -> None:
    with serve(respond_ok) as url:
        pass
    with Load(url, RATE) as load:
        load.wait_for_requests(10)
    assert len(load.report.failures) == load.report.sent
    assert "ConnectionRefusedError" in load.report.failures[0].reason
    assert load.report.longest_gap_s >= 9 / RATE


def test_requests_go_on_while_the_server_stalls() -> None:
    """An open loop: a stalled response delays no request. The stall is one long gap."""
    stall_s = 0.6
    stalled_until = 0.0

    async def respond(number: int) -> bytes:
        nonlocal stalled_until
        if number == 10:
            stalled_until = time.monotonic() + stall_s
        await asyncio.sleep(max(0.0, stalled_until - time.monotonic()))
        return GOOD

    with serve(respond) as url:
        start = time.monotonic()
        with Load(url, RATE) as load:
            load.wait_for_requests(60)
        duration_s = time.monotonic() - start
    assert load.report.failures == []
    assert duration_s < 60 / RATE + stall_s  # a load that waits for responses takes longer
    assert load.report.longest_gap_s >= stall_s * 0.8
    assert load.report.slowest_s >= stall_s * 0.8


def test_a_request_without_a_response_times_out() -> None:
    async def respond(_number: int) -> bytes:
        await asyncio.sleep(0.5)
        return GOOD

    with serve(respond) as url, Load(url, RATE, timeout_s=0.1) as load:
        load.wait_for_requests(10)
    assert len(load.report.failures) == load.report.sent
    assert load.report.failures[0].reason == "TimeoutError"
    assert load.report.longest_gap_s >= 0.1


def test_elapsed_time_counts_from_the_start_of_the_load() -> None:
    with serve(respond_ok) as url, Load(url, RATE) as load:
        load.wait_for_requests(10)
        assert 9 / RATE <= load.elapsed_s() < 5
