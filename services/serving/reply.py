"""HTTP replies, and the ASGI application that sends them."""

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
    """An HTTP reply: status and JSON body."""

    status: int
    body: dict[str, Any]
    should_log: bool = True


Handler = Callable[[], Awaitable[Reply]]


async def send_reply(reply: Reply, scope: Scope, send: Send, *, close: bool) -> None:
    """Send ``reply``; with ``close``, the connection closes after it."""
    body = json.dumps(reply.body).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Router:
    """The ASGI application of one listener, with a handler for each path.

    While ``is_draining`` returns True, each reply closes its connection.
    """

    def __init__(self, handlers: Mapping[str, Handler], is_draining: Callable[[], bool]) -> None:
        self._handlers = handlers
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.monotonic()
        path = scope["path"]
        reply = await self._reply(path)
        await send_reply(reply, scope, send, close=self._is_draining())
        if reply.should_log:
            log(
                "info" if reply.status < 400 else "warning",
                "request",
                path=path,
                status=reply.status,
                ms=round(1000 * (time.monotonic() - start), 1),
            )

    async def _reply(self, path: str) -> Reply:
        if path not in self._handlers:
            return Reply(404, {"error": "not found", "paths": list(self._handlers)})
        try:
            return await self._handlers[path]()
        except Exception as error:  # the caller gets a reply to any error, the log its cause
            log("error", "handler failed", error=repr(error))
            return Reply(500, {"error": type(error).__name__})
