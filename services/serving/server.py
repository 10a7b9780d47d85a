"""Uvicorn's server as a service needs it: it drains before it ends, waits for its port, and may listen in two places."""

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
from services.serving.reply import Paths

IN_FLIGHT_SECONDS = 20
"""How long requests in flight may take to end once the service listens no more."""
PORT_SECONDS = 30.0
"""How long to wait for the port: on a static port the instance before this one may still be draining."""


def configuration(paths: Paths, **more: Any) -> uvicorn.Config:
    """Uvicorn's settings for one listener; ``more`` are those that not every listener has."""
    options: dict[str, Any] = {
        "interface": "asgi3",
        "loop": "asyncio",
        "http": "h11",
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": 60,
        "timeout_graceful_shutdown": IN_FLIGHT_SECONDS,
    }
    return uvicorn.Config(paths, **(options | more))


class Server(uvicorn.Server):
    """Except for SIGINT a signal calls ``end`` instead of ending. What listens ``beside`` lives and ends with the server."""

    def __init__(
        self,
        config: uvicorn.Config,
        end: Callable[[uvicorn.Server], None],
        beside: Sequence[tuple[Paths, socket.socket]] = (),
    ) -> None:
        super().__init__(config)
        self._end = end
        self._beside = beside

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            super().handle_exit(sig, frame)
            return
        self._end(self)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for paths, listener in self._beside:
            config = configuration(paths)
            config.load()
            protocol = partial(H11Protocol, config, self.server_state, {})
            self.servers.append(
                await asyncio.get_running_loop().create_server(protocol, sock=listener)
            )


async def listen(host: str, port: int) -> socket.socket:
    """A listening socket, as soon as the port is free.

    Raises:
        OSError: the port was still taken after ``PORT_SECONDS``.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        # Named by its protocol, or asyncio would not set TCP_NODELAY: the second part of an answer would wait for 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
