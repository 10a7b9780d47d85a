"""A small HTTP service: ``/``, ``/health``, and an orderly end.

At SIGTERM ``/health`` turns red while ``/`` is still answered, so that a balancer and Consul notice and send no more;
``DRAIN_SECONDS`` later (10 by default: a balancer that checks every 3 s and needs 2 bad answers has long noticed) the
service stops listening, ends the requests in flight and exits with 0.
"""

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable

import uvicorn

from services.serving.authorizer import Authorizer
from services.serving.log import capture_libraries, log
from services.serving.reply import Paths, Reply
from services.serving.server import Server, configuration, listen

DRAIN_SECONDS = 10.0
LOOPBACK = "127.0.0.1"


class Serving:
    """Serves one program until SIGTERM or SIGINT.

    ``answer`` replies to ``/``. ``health_problem`` tells why the service is unhealthy, or None when it is well.
    ``work``, if given, runs beside the server for as long as it lives; if it ends, so does the service, with status 1.
    With a ``gate``, ``/`` is only for whom that lets in; ``/health`` is elsewhere then, for this machine alone.
    """

    def __init__(
        self,
        answer: Callable[[], Awaitable[Reply]],
        health_problem: Callable[[], str | None] = lambda: None,
        work: Callable[[], Awaitable[None]] | None = None,
        gate: Authorizer | None = None,
    ) -> None:
        self._answer = answer
        self._ailment = health_problem
        self._work = work
        self._gate = gate
        self._draining = False
        self._red_since: float | None = -math.inf
        self._drain = float(os.environ.get("DRAIN_SECONDS", DRAIN_SECONDS))

    def run(self) -> int:
        """Serve on ``HOST`` and ``PORT``, with a gate also on loopback and ``HEALTH_PORT``, until told to end.

        Returns:
            The exit status: 0 after an orderly end.
        """
        capture_libraries()
        return asyncio.run(self._run(os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])))

    async def _run(self, host: str, port: int) -> int:
        server = await self._server()
        listener = await listen(host, port)
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

    async def _server(self) -> uvicorn.Server:
        def paths(answers: dict[str, Callable[[], Awaitable[Reply]]]) -> Paths:
            return Paths(answers, lambda: self._draining)

        if self._gate is None:
            return Server(
                configuration(paths({"/": self._answer, "/health": self._health})), self._end
            )
        context = self._gate.context
        gated = configuration(
            paths({"/": self._answer}),
            http=self._gate.protocol(),
            ssl_context_factory=lambda *_: context,
        )
        health = await listen(LOOPBACK, int(os.environ["HEALTH_PORT"]))
        return Server(gated, self._end, [(paths({"/health": self._health}), health)])

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

    async def _health(self) -> Reply:
        """The health. Checks come every few seconds: only a change is worth a line."""
        reason = "draining" if self._draining else self._ailment()
        was_red = self._red_since is not None
        if reason is None:
            self._red_since = None
            return Reply(200, {"status": "healthy"}, remarkable=was_red)
        if not was_red:
            self._red_since = time.monotonic()
        return Reply(503, {"status": "unhealthy", "reason": reason}, remarkable=not was_red)
