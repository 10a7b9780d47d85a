"""Answers over HTTP, and the application that gives them."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from services.serving.log import log

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: status and JSON body."""

    status: int
    body: dict[str, Any]
    remarkable: bool = True
    """Whether it is worth a line in the log."""


async def send_reply(reply: Reply, scope: Scope, send: Send, *, last: bool) -> None:
    """Send ``reply``; after the ``last`` one of a connection it is closed."""
    body = json.dumps(reply.body).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Paths:
    """The ASGI application of one listener: each path has its answer. Once it is ``leaving``, each answer is a connection's last."""

    def __init__(
        self, answers: Mapping[str, Callable[[], Awaitable[Reply]]], leaving: Callable[[], bool]
    ) -> None:
        self._answers = answers
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.monotonic()
        path = scope["path"]
        if path in self._answers:
            try:
                reply = await self._answers[path]()
            except (
                Exception
            ) as error:  # the caller gets an answer, whatever it was; the log gets the cause
                log("error", "answer failed", error=repr(error))
                reply = Reply(500, {"error": type(error).__name__})
        else:
            reply = Reply(404, {"error": "not found", "paths": list(self._answers)})
        await send_reply(reply, scope, send, last=self._leaving())
        if reply.remarkable:
            level = "info" if reply.status < 400 else "warning"
            log(
                level,
                "request",
                path=path,
                status=reply.status,
                ms=round(1000 * (time.monotonic() - start), 1),
            )
