"""Authentication, rate limits, request ids and the request log."""

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

UNAUTHENTICATED_PREFIX = "/_rehearsal/"
"""Paths of the emulator itself, which need no API token."""


class Startup:
    """The start of the cloud: in progress, succeeded or failed."""

    def __init__(self) -> None:
        self._finished = asyncio.Event()
        self.failure = ""

    @property
    def succeeded(self) -> bool:
        return self._finished.is_set() and not self.failure

    def finish(self, failure: str = "") -> None:
        """End the start; ``failure`` says why it failed."""
        self.failure = failure
        self._finished.set()

    async def wait(self) -> None:
        """Wait until the start has succeeded or failed."""
        await self._finished.wait()


class AuthMiddleware:
    """Passes authenticated requests within their limits to the API, and rejects all others."""

    def __init__(
        self, app: ASGIApp, accounts: Accounts, limits: RateLimits, startup: Startup
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._limits = limits
        self._unauthenticated = RateLimiter(limits)
        """Requests without a valid token, which count against no account."""
        self._limiters: dict[str, RateLimiter] = {}
        self._startup = startup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNAUTHENTICATED_PREFIX):
            await self._app(scope, receive, send)
            return
        if scope["path"] != "/":
            # Like the real API, accept paths that end with a slash.
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        request_id, started = str(uuid4()), time.monotonic()
        account = self._find_account(scope)
        limiter = self._limiter(account)
        scope.setdefault("state", {})["request_id"] = request_id
        extra_headers: dict[str, str] = {}

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {**limiter.headers, "x-request-id": request_id, **extra_headers}
                )
                milliseconds = (time.monotonic() - started) * 1000
                name, path = account.name if account else "-", quote(scope["path"])
                log.info(
                    "%s %s %s %.1f ms %s",
                    scope["method"],
                    path,
                    message["status"],
                    milliseconds,
                    name,
                )
            await send(message)

        wait = limiter.count_request(scope["method"], scope["path"])
        if account is None:
            await _reject(reply, 401, "unauthorized", "Unable to authenticate you", request_id)
        elif wait is not None:
            extra_headers["retry-after"] = str(wait)
            await _reject(reply, 429, "too_many_requests", "API rate limit exceeded.", request_id)
        else:
            scope["state"]["account"] = account.name
            await self._startup.wait()
            if self._startup.failure:
                await _reject(
                    reply,
                    500,
                    "server_error",
                    f"The rehearsal cloud did not start: {self._startup.failure}",
                    request_id,
                )
            else:
                await self._app(scope, receive, reply)

    def _find_account(self, scope: Scope) -> Account | None:
        """Return the account of the request's token."""
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return self._accounts.find_by_token(token.encode()) if kind.lower() == "bearer" else None

    def _limiter(self, account: Account | None) -> RateLimiter:
        return (
            self._limiters.setdefault(account.name, RateLimiter(self._limits))
            if account
            else self._unauthenticated
        )


async def _reject(send: Send, status: int, id: str, message: str, request_id: str) -> None:
    body = json.dumps({"id": id, "message": message, "request_id": request_id}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
