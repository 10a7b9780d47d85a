"""What no test of a whole service shows."""

import asyncio
import socket
import time
from typing import Any

import pytest

from services.serving.authorizer import Guard
from services.serving.server import listen


def test_a_connection_of_some_age_is_ended_after_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )

    async def admits(certificate: Any) -> bool:
        return True

    async def receive() -> Any:
        return {}

    async def send(message: Any) -> None:
        sent.append(message["headers"])

    async def two_requests() -> None:
        guard = Guard(app, admits, {})
        await guard({}, receive, send)
        monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
        await guard({}, receive, send)

    asyncio.run(two_requests())
    assert sent == [
        [(b"content-length", b"0")],
        [(b"content-length", b"0"), (b"connection", b"close")],
    ]


def test_answers_are_sent_without_delay() -> None:
    async def option() -> int:
        done = asyncio.get_running_loop().create_future()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            done.set_result(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        listener = await listen("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listener):
            with socket.create_connection(listener.getsockname()):
                return int(await done)

    assert asyncio.run(option()) != 0
