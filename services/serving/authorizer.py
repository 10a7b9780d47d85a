"""A listener that lets in whom it knows: mutual TLS, and a permission asked for each connection."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.serving.reply import Application, Receive, Reply, Scope, Send, send_reply

PERMISSION_SECONDS = 2.0
"""How long a connection may use a permission: a request after that waits for the next one."""
CONNECTION_SECONDS = 600.0
"""The age at which a connection is ended after an answer, so that none outlives for long the certificates that opened it."""

Certificate = Mapping[str, Any]
"""A peer's certificate as ``ssl.SSLObject.getpeercert`` tells it."""


@dataclass(frozen=True)
class Authorizer:
    """Who may come in."""

    context: ssl.SSLContext
    """Requires a certificate of each peer."""
    admits: Callable[[Certificate], Awaitable[bool]]
    """Whether the peer with this certificate may be answered, as of now."""

    def protocol(self) -> type[H11Protocol]:
        """Uvicorn's protocol, with a guard before the application of each connection."""
        admits = self.admits

        class Guarded(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                self.app = Guard(self.app, admits, transport.get_extra_info("peercert"))

        return Guarded


class Guard:
    """The application as one connection reaches it: no request is answered on a permission older than ``PERMISSION_SECONDS``."""

    def __init__(
        self,
        app: Application,
        admits: Callable[[Certificate], Awaitable[bool]],
        certificate: Certificate,
    ) -> None:
        self._app = app
        self._admits = admits
        self._certificate = certificate
        self._ends = time.monotonic() + CONNECTION_SECONDS
        self._admitted_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if now >= self._admitted_until:
            if not await self._admits(self._certificate):
                await send_reply(Reply(403, {"error": "refused"}), scope, send, last=True)
                return
            self._admitted_until = now + PERMISSION_SECONDS
        await self._app(scope, receive, _ending(send) if now >= self._ends else send)


def _ending(send: Send) -> Send:
    async def last(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return last
