"""Uvicorn's server with a drain, a wait for its port, and further listeners."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.serving.log import log
from services.serving.reply import Router

SHUTDOWN_TIMEOUT_S = 20
"""How long requests in flight may take after the server stops listening."""
KEEP_ALIVE_S = 60
PORT_TIMEOUT_S = 30.0
"""How long to wait for the port: the previous instance may still be draining on a static port."""
PORT_RETRY_INTERVAL_S = 0.25
BACKLOG = 1024


def uvicorn_config(router: Router, **overrides: Any) -> uvicorn.Config:
    """Return Uvicorn's settings for one listener, with ``overrides``."""
    settings: dict[str, Any] = {
        "interface": "asgi3",
        "loop": "asyncio",
        "http": "h11",
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_S,
    }
    return uvicorn.Config(router, **(settings | overrides))


class Server(uvicorn.Server):
    """A server that calls ``on_signal`` at every signal except SIGINT, which stops it at once.

    ``listeners`` are further sockets with plain HTTP, which start and stop with the server.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_signal: Callable[[uvicorn.Server], None],
        listeners: Sequence[tuple[Router, socket.socket]] = (),
    ) -> None:
        super().__init__(config)
        self._on_signal = on_signal
        self._listeners = listeners

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            super().handle_exit(sig, frame)
        else:
            # Python calls this in the middle of any code, such as the writing of a log line, which
            # cannot be entered a second time.
            asyncio.get_running_loop().call_soon_threadsafe(self._on_signal, self)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for router, listener in self._listeners:
            config = uvicorn_config(router)
            config.load()
            protocol = partial(H11Protocol, config, self.server_state, {})
            self.servers.append(
                await asyncio.get_running_loop().create_server(protocol, sock=listener)
            )


async def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket as soon as the port is free.

    Raises:
        OSError: the port is still in use after ``PORT_TIMEOUT_S``.
    """
    deadline = time.monotonic() + PORT_TIMEOUT_S
    while True:
        # asyncio sets TCP_NODELAY only if the protocol is explicit. Without it the second part of
        # a reply waits for 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            # Two sockets can be bound to one port, but only one of them can listen.
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if time.monotonic() > deadline:
                raise
            log("info", "waiting for the port", port=port, error=str(error))
            await asyncio.sleep(PORT_RETRY_INTERVAL_S)
        else:
            listener.setblocking(False)
            return listener
