"""Authorises each connection: mutual TLS, and a decision about the peer's certificate."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.serving.reply import Application, Receive, Reply, Scope, Send, send_reply

AUTHORIZATION_TTL_S = 2.0
"""How long a connection stays authorised. The next request then waits for a new decision."""
CONNECTION_TTL_S = 600.0
"""Age at which a connection closes after a reply, so that none long outlives its certificates."""

PeerCertificate = Mapping[str, Any]
"""A peer's certificate as ``ssl.SSLObject.getpeercert`` returns it."""
IsAuthorized = Callable[[PeerCertificate], Awaitable[bool]]


@dataclass(frozen=True)
class Authorizer:
    """Which peers may send requests."""

    context: ssl.SSLContext
    """It must require a certificate of each peer."""
    is_authorized: IsAuthorized
    """Decides whether the peer with this certificate may send a request now."""

    def protocol(self) -> type[H11Protocol]:
        """Return Uvicorn's protocol with an authorisation of each connection."""
        is_authorized = self.is_authorized

        class AuthorizedProtocol(H11Protocol):
            def connection_made(  # type: ignore[override]
                self, transport: asyncio.Transport
            ) -> None:
                super().connection_made(transport)
                certificate = transport.get_extra_info("peercert")
                self.app = AuthorizedConnection(self.app, is_authorized, certificate)

        return AuthorizedProtocol


class AuthorizedConnection:
    """The ASGI application of one connection.

    It answers 403 and closes the connection unless the peer is authorised.
    """

    def __init__(
        self, app: Application, is_authorized: IsAuthorized, certificate: PeerCertificate
    ) -> None:
        self._app = app
        self._is_authorized = is_authorized
        self._certificate = certificate
        self._expires = time.monotonic() + CONNECTION_TTL_S
        self._authorized_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if now >= self._authorized_until:
            if not await self._is_authorized(self._certificate):
                await send_reply(Reply(403, {"error": "refused"}), scope, send, close=True)
                return
            self._authorized_until = now + AUTHORIZATION_TTL_S
        await self._app(scope, receive, _closing(send) if now >= self._expires else send)


def _closing(send: Send) -> Send:
    """Return ``send`` with the header that closes the connection after the reply."""

    async def send_and_close(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_and_close
