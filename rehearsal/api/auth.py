"""What every request passes: token, rate limits, a request id, and a line in the log."""

import asyncio
import json
import logging
import time
from urllib.parse import quote
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rehearsal.limits import RateLimiter, RateLimits
from rehearsal.state.accounts import Account, Accounts

log = logging.getLogger("rehearsal")

OPEN = "/_rehearsal/"
"""Paths below need no token: they are not of the API but of the rehearsal itself."""


class Startup:
    """Whether the cloud has started, or why it never will."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.failure = ""

    @property
    def succeeded(self) -> bool:
        return self._over.is_set() and not self.failure

    def end(self, failure: str = "") -> None:
        self.failure = failure
        self._over.set()

    async def wait(self) -> None:
        """Until it has succeeded or failed."""
        await self._over.wait()


class AuthMiddleware:
    """Lets a request into the API, or answers it itself."""

    def __init__(
        self, app: ASGIApp, accounts: Accounts, limits: RateLimits, start: Startup
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._limits = limits
        self._strangers = RateLimiter(limits)
        """Counts the requests without a token that is somebody's: they spend nobody's limit."""
        self._meters: dict[str, RateLimiter] = {}
        self._start = start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self._app(scope, receive, send)
            return
        if (
            scope["path"] != "/"
        ):  # some clients end every path with a slash, and the real cloud does not mind
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        request_id, begun = str(uuid4()), time.monotonic()
        account = self._account(scope)
        meter = self._meter(account)
        scope.setdefault("state", {})["request_id"] = request_id
        extra: dict[str, str] = {}

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {**meter.headers, "x-request-id": request_id, **extra}
                )
                milliseconds = (time.monotonic() - begun) * 1000
                who, path = account.name if account else "-", quote(scope["path"])
                log.info(
                    "%s %s %s %.1f ms %s",
                    scope["method"],
                    path,
                    message["status"],
                    milliseconds,
                    who,
                )
            await send(message)

        wait = meter.count_request(scope["method"], scope["path"])
        if account is None:
            await _refuse(reply, 401, "unauthorized", "Unable to authenticate you", request_id)
        elif wait is not None:
            extra["retry-after"] = str(wait)
            await _refuse(reply, 429, "too_many_requests", "API rate limit exceeded.", request_id)
        else:
            scope["state"]["account"] = account.name
            await self._start.wait()
            if self._start.failure:
                await _refuse(
                    reply,
                    500,
                    "server_error",
                    f"The rehearsal cloud did not start: {self._start.failure}",
                    request_id,
                )
            else:
                await self._app(scope, receive, reply)

    def _account(self, scope: Scope) -> Account | None:
        """Whose token the request shows."""
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return self._accounts.of_token(token.encode()) if kind.lower() == "bearer" else None

    def _meter(self, account: Account | None) -> RateLimiter:
        return (
            self._meters.setdefault(account.name, RateLimiter(self._limits))
            if account
            else self._strangers
        )


async def _refuse(send: Send, status: int, id: str, message: str, request_id: str) -> None:
    body = json.dumps({"id": id, "message": message, "request_id": request_id}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
