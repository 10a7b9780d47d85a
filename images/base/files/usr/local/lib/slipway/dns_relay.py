#!/usr/bin/python3
"""Relay port 8600, Consul's usual DNS port, to port 53, where this node's Consul answers.

Consul has one DNS port, and the host's resolver needs port 53. systemd listens on 8600 and starts
this relay at the first query. The relay ends after a minute without one.
"""

import asyncio
import os
import socket
from typing import cast

CONSUL_DNS = ("127.0.0.1", 53)
FIRST_LISTEN_FD = 3
"""The first socket that systemd passes."""
QUERY_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 60.0
MAX_DATAGRAM_BYTES = 65535
CHUNK_BYTES = 65536


class IdleTimer:
    """Measures the time since the last query."""

    def __init__(self) -> None:
        self._queried = asyncio.Event()

    def reset(self) -> None:
        """Start the idle time anew."""
        self._queried.set()

    async def wait_until_idle(self) -> None:
        """Return once no query has arrived for ``IDLE_TIMEOUT_S``."""
        while True:
            self._queried.clear()
            try:
                await asyncio.wait_for(self._queried.wait(), IDLE_TIMEOUT_S)
            except TimeoutError:
                return


async def query_consul(query: bytes) -> bytes:
    """Send one UDP query to Consul and return its response.

    Raises:
        OSError: Consul does not listen.
        TimeoutError: Consul does not answer in time.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.setblocking(False)
        upstream.connect(CONSUL_DNS)
        await loop.sock_sendall(upstream, query)
        response = loop.sock_recv(upstream, MAX_DATAGRAM_BYTES)
        return await asyncio.wait_for(response, QUERY_TIMEOUT_S)


class UdpRelay(asyncio.DatagramProtocol):
    """Relays each query on its own; a client repeats a query that gets no response."""

    def __init__(self, idle_timer: IdleTimer) -> None:
        self._idle_timer = idle_timer
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._idle_timer.reset()
        task = asyncio.create_task(self._relay(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, query: bytes, client: tuple[str, int]) -> None:
        try:
            self._transport.sendto(await query_consul(query), client)
        except (OSError, TimeoutError) as error:
            print(f"dns-relay: no answer from Consul: {error or 'timeout'}", flush=True)


async def copy_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction of a TCP connection until its end."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve() -> None:
    """Relay queries of the sockets that systemd passes, until there are none for a while."""
    idle_timer = IdleTimer()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        idle_timer.reset()
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*CONSUL_DNS)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            copy_stream(reader, upstream_writer), copy_stream(upstream_reader, writer)
        )

    for fd in range(FIRST_LISTEN_FD, FIRST_LISTEN_FD + int(os.environ["LISTEN_FDS"])):
        listener = socket.socket(fileno=fd)
        listener.setblocking(False)
        if listener.type == socket.SOCK_STREAM:
            await asyncio.start_server(relay, sock=listener)
        else:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: UdpRelay(idle_timer), sock=listener
            )
    await idle_timer.wait_until_idle()


if __name__ == "__main__":
    asyncio.run(serve())
