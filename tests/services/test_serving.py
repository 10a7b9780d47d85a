"""Details of the HTTP server that the tests of whole services do not cover."""

import asyncio
import signal
import socket
import time
from typing import Any

import pytest
import uvicorn

from services.serving.authorizer import AuthorizedConnection
from services.serving.server import Server, listen


def test_an_old_connection_closes_after_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )

    async def is_authorized(certificate: Any) -> bool:
        return True

    async def receive() -> Any:
        return {}

    async def send(message: Any) -> None:
        sent.append(message["headers"])

    async def two_requests() -> None:
        connection = AuthorizedConnection(app, is_authorized, {})
        await connection({}, receive, send)
        monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
        await connection({}, receive, send)

    asyncio.run(two_requests())
    assert sent == [
        [(b"content-length", b"0")],
        [(b"content-length", b"0"), (b"connection", b"close")],
    ]


def test_accepted_connections_have_tcp_nodelay() -> None:
    async def tcp_nodelay() -> int:
        nodelay = asyncio.get_running_loop().create_future()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nodelay.set_result(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        listener = await listen("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listener):
            with socket.create_connection(listener.getsockname()):
                return int(await nodelay)

    assert asyncio.run(tcp_nodelay()) != 0


def test_a_signal_does_not_interrupt_what_runs() -> None:
    """A signal may arrive while a log line is written, and the drain writes one too."""
    events: list[str] = []

    async def run() -> None:
        server = Server(uvicorn.Config("no:app"), lambda _: events.append("drain"))
        server.handle_exit(signal.SIGTERM, None)
        events.append("the interrupted code goes on")
        await asyncio.sleep(0)

    asyncio.run(run())
    assert events == ["the interrupted code goes on", "drain"]
