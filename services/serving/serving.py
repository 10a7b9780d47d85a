"""A small HTTP service: ``/``, ``/health``, and an orderly end.

At SIGTERM ``/health`` turns red while ``/`` is still answered, so that a balancer and Consul notice and send no more;
``DRAIN_SECONDS`` later (10 by default: a balancer that checks every 3 s and needs 2 bad answers has long noticed) the
service stops listening, ends the requests in flight and exits with 0.
"""

import asyncio
import json
import math
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from services.serving.log import capture_libraries, log

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DRAIN_SECONDS = 10.0
IN_FLIGHT_SECONDS = 20
"""How long requests in flight may take to end once the service listens no more."""
PORT_SECONDS = 30.0
"""How long to wait for the port: on a static port the instance before this one may still be draining."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: status and JSON body."""

    status: int
    body: dict[str, Any]


class Serving:
    """Serves one program until SIGTERM or SIGINT.

    ``answer`` replies to ``/``. ``ailment`` tells why the service is unhealthy, or None when it is well.
    ``work``, if given, runs beside the server for as long as it lives; if it ends, so does the service, with status 1.
    """

    def __init__(
        self,
        answer: Callable[[], Awaitable[Reply]],
        ailment: Callable[[], str | None] = lambda: None,
        work: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._answer = answer
        self._ailment = ailment
        self._work = work
        self._draining = False
        self._red_since: float | None = -math.inf
        self._drain = float(os.environ.get("DRAIN_SECONDS", DRAIN_SECONDS))

    def run(self) -> int:
        """Serve on ``HOST`` and ``PORT`` until told to end.

        Returns:
            The exit status: 0 after an orderly end.
        """
        capture_libraries()
        return asyncio.run(self._run(os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])))

    async def _run(self, host: str, port: int) -> int:
        config = uvicorn.Config(
            self,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
        )
        server = _Server(config, self._end)
        listener = await _listen(host, port)
        log("info", "listening", host=host, port=port)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        if self._work is None:
            await serving
            return 0
        working = asyncio.ensure_future(self._work())
        await asyncio.wait({serving, working}, return_when=asyncio.FIRST_COMPLETED)
        broken = working.done()
        if broken:
            log("error", "work ended", error=repr(working.exception()))
            server.should_exit = True
        working.cancel()
        await serving
        return int(broken)

    def _end(self, server: uvicorn.Server) -> None:
        """Turn red, and stop listening once everyone has had the time to notice."""
        if self._draining:
            return
        self._draining = True
        red = 0.0 if self._red_since is None else time.monotonic() - self._red_since
        # An instance that was red long enough, or never green, gets no requests that could be lost: it need not wait.
        wait = max(0.0, self._drain - red)
        log("info", "draining", seconds=round(wait, 1))
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, wait, setattr, server, "should_exit", True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        start = time.monotonic()
        path = scope["path"]
        changed = False
        if path == "/health":
            reply, changed = self._health()
        elif path == "/":
            try:
                reply = await self._answer()
            except Exception as error:  # the caller gets an answer, whatever it was; the log gets the cause
                log("error", "answer failed", error=repr(error))
                reply = Reply(500, {"error": type(error).__name__})
        else:
            reply = Reply(404, {"error": "not found", "paths": ["/", "/health"]})
        body = json.dumps(reply.body).encode() + b"\n"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if self._draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        if path != "/health" or changed:
            level = "info" if reply.status < 400 else "warning"
            log(level, "request", path=path, status=reply.status, ms=round(1000 * (time.monotonic() - start), 1))

    def _health(self) -> tuple[Reply, bool]:
        """The health and whether it changed: checks come every few seconds, only their changes are worth a line."""
        reason = "draining" if self._draining else self._ailment()
        was_red = self._red_since is not None
        if reason is None:
            self._red_since = None
            return Reply(200, {"status": "healthy"}), was_red
        if not was_red:
            self._red_since = time.monotonic()
        return Reply(503, {"status": "unhealthy", "reason": reason}), not was_red


class _Server(uvicorn.Server):
    """Uvicorn's server, except that a signal begins the drain instead of the end."""

    def __init__(self, config: uvicorn.Config, end: Callable[[uvicorn.Server], None]) -> None:
        super().__init__(config)
        self._end = end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            super().handle_exit(sig, frame)
            return
        self._end(self)


async def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, as soon as the port is free.

    Raises:
        OSError: the port was still taken after ``PORT_SECONDS``.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            # Two sockets may be bound to one port as long as none listens: only listening proves that it is ours.
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if time.monotonic() > deadline:
                raise
            log("info", "waiting for the port", port=port, error=str(error))
            await asyncio.sleep(0.25)
        else:
            listener.setblocking(False)
            return listener
