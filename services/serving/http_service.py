"""A small HTTP service: ``/``, ``/health``, ``/live``, and a shutdown that loses no request.

``/health`` says whether the service can serve: the load balancer, Consul's DNS and deployments
follow it. ``/live`` fails only if a restart or another node may help: Nomad restarts the task then.

At SIGTERM ``/health`` fails while ``/`` still replies, so that the load balancer and Consul stop
sending requests. ``DRAIN_SECONDS`` later the service stops listening, finishes the requests in
flight and exits with status 0. The default of 10 s is longer than the load balancer needs: it
checks every 3 s and removes a target after 2 failures.
"""

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable

import uvicorn

from services.serving.authorizer import Authorizer
from services.serving.log import capture_library_warnings, log
from services.serving.reply import Handler, Reply, Router
from services.serving.server import Server, listen, uvicorn_config

DEFAULT_DRAIN_S = 10.0
LOOPBACK = "127.0.0.1"


class HttpService:
    """Serves requests until SIGTERM or SIGINT.

    Args:
        reply: replies to ``/``.
        liveness_problem: returns why the service cannot serve and should be restarted, or None.
        background: runs beside the server. If it ends, the service exits with status 1.
        authorizer: decides who may request ``/``. ``/health`` and ``/live`` then have a port of
            their own, on loopback.
        readiness_problem: returns why the service cannot serve although no restart helps, or None.
    """

    def __init__(
        self,
        reply: Handler,
        liveness_problem: Callable[[], str | None] = lambda: None,
        background: Callable[[], Awaitable[None]] | None = None,
        authorizer: Authorizer | None = None,
        readiness_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._reply = reply
        self._liveness_problem = liveness_problem
        self._readiness_problem = readiness_problem
        self._background = background
        self._authorizer = authorizer
        self._is_draining = False
        self._unhealthy_since: float | None = -math.inf
        self._drain_s = float(os.environ.get("DRAIN_SECONDS", DEFAULT_DRAIN_S))

    def run(self) -> int:
        """Serve on ``HOST`` and ``PORT``, and with an authorizer on loopback and ``HEALTH_PORT``.

        Returns:
            The exit status: 0 after an orderly shutdown.
        """
        capture_library_warnings()
        return asyncio.run(self._run(os.environ.get("HOST", "0.0.0.0"), int(os.environ["PORT"])))

    async def _run(self, host: str, port: int) -> int:
        server = await self._server()
        listener = await listen(host, port)
        log("info", "listening", host=host, port=port)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        if self._background is None:
            await serving
            return 0
        background = asyncio.ensure_future(self._background())
        await asyncio.wait({serving, background}, return_when=asyncio.FIRST_COMPLETED)
        background_ended = background.done()
        if background_ended:
            log("error", "background task ended", error=repr(background.exception()))
            server.should_exit = True
        background.cancel()
        await serving
        return int(background_ended)

    async def _server(self) -> uvicorn.Server:
        def router(handlers: dict[str, Handler]) -> Router:
            return Router(handlers, lambda: self._is_draining)

        checks: dict[str, Handler] = {"/health": self._health, "/live": self._live}
        if self._authorizer is None:
            return Server(uvicorn_config(router({"/": self._reply, **checks})), self._drain)
        context = self._authorizer.context
        config = uvicorn_config(
            router({"/": self._reply}),
            http=self._authorizer.protocol(),
            ssl_context_factory=lambda *_: context,
        )
        health = await listen(LOOPBACK, int(os.environ["HEALTH_PORT"]))
        return Server(config, self._drain, [(router(checks), health)])

    def _drain(self, server: uvicorn.Server) -> None:
        """Report the service as unhealthy, and stop ``server`` after the drain."""
        if self._is_draining:
            return
        self._is_draining = True
        unhealthy_s = (
            0.0 if self._unhealthy_since is None else time.monotonic() - self._unhealthy_since
        )
        # The load balancer already sends no requests to an instance that was unhealthy for so long.
        remaining_s = max(0.0, self._drain_s - unhealthy_s)
        log("info", "draining", seconds=round(remaining_s, 1))
        asyncio.get_running_loop().call_later(remaining_s, setattr, server, "should_exit", True)

    async def _health(self) -> Reply:
        """Reply with the health; log only changes, because checks arrive every few seconds."""
        reason = (
            "draining"
            if self._is_draining
            else self._liveness_problem() or self._readiness_problem()
        )
        was_unhealthy = self._unhealthy_since is not None
        if reason is None:
            self._unhealthy_since = None
            return Reply(200, {"status": "healthy"}, should_log=was_unhealthy)
        if not was_unhealthy:
            self._unhealthy_since = time.monotonic()
        return Reply(503, {"status": "unhealthy", "reason": reason}, should_log=not was_unhealthy)

    async def _live(self) -> Reply:
        """Reply whether the service should go on; nothing is logged, ``/health`` does that."""
        if reason := self._liveness_problem():
            return Reply(503, {"status": "not live", "reason": reason}, should_log=False)
        return Reply(200, {"status": "live"}, should_log=False)
