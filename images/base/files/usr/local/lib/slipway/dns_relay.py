#!/usr/bin/python3
"""Consul's DNS on its customary port 8600 too.

Consul answers on one DNS port only, and that is 53, for it is the host's resolver. systemd listens on 8600, starts
this at the first query, and it ends after a minute without one.
"""

import asyncio
import os
import socket
from typing import cast

CONSUL = ("127.0.0.1", 53)
FIRST_FD = 3
QUERY_SECONDS = 5.0
IDLE_SECONDS = 60.0


class Activity:
    """When the last query came."""

    def __init__(self) -> None:
        self._seen = asyncio.Event()

    def note(self) -> None:
        self._seen.set()

    async def end(self) -> None:
        """Returns once nothing came for a while."""
        while True:
            self._seen.clear()
            try:
                await asyncio.wait_for(self._seen.wait(), IDLE_SECONDS)
            except TimeoutError:
                return


async def ask(query: bytes) -> bytes:
    """One UDP question to Consul.

    Raises:
        OSError, TimeoutError: it did not answer.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.setblocking(False)
        upstream.connect(CONSUL)
        await loop.sock_sendall(upstream, query)
        return await asyncio.wait_for(loop.sock_recv(upstream, 65535), QUERY_SECONDS)


class Datagrams(asyncio.DatagramProtocol):
    """Each query is relayed on its own; one without an answer is left for the client to ask again."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._activity.note()
        task = asyncio.create_task(self._relay(data, addr))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _relay(self, query: bytes, client: tuple[str, int]) -> None:
        try:
            self._transport.sendto(await ask(query), client)
        except (OSError, TimeoutError) as failed:
            print(f"dns-relay: no answer from Consul: {failed or 'too late'}", flush=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction of a TCP connection until its end."""
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve() -> None:
    activity = Activity()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        activity.note()
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*CONSUL)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    for fd in range(FIRST_FD, FIRST_FD + int(os.environ["LISTEN_FDS"])):
        listener = socket.socket(fileno=fd)
        listener.setblocking(False)
        if listener.type == socket.SOCK_STREAM:
            await asyncio.start_server(relay, sock=listener)
        else:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: Datagrams(activity), sock=listener
            )
    await activity.end()


if __name__ == "__main__":
    asyncio.run(serve())
