"""What serves droplets from inside the cloud's network namespace: metadata, DNS, Spaces and releases."""

import signal
import socket
import socketserver
import threading
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from rehearsal.config import CloudConfig
from rehearsal.network import dns, metadata, releases
from rehearsal.network.bridges import METADATA_ADDRESS
from rehearsal.topology.network_state_file import NetworkStateFile

HTTP = 80


class Web(socketserver.ThreadingTCPServer):
    """As ``http.server``'s own, which would ask a name server for its name before it serves."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: IPv4Address, handler: Callable[..., Any]) -> None:
        super().__init__((str(address), HTTP), handler)


def serve(config: CloudConfig) -> None:
    """Serve until told to end. The file ``inside.ready`` in the cloud's directory appears once every port is open.

    Raises:
        OSError: an address is not there or a port is taken.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    network_state = NetworkStateFile(config)
    with socket.create_server((str(config.spaces_address), HTTP), backlog=128) as listener:
        servers: list[socketserver.BaseServer] = [
            Web(METADATA_ADDRESS, metadata.handler(config, network_state)),
            Web(config.releases_address, releases.handler(config)),
            *dns.servers(dns.Responder(config, network_state.current), config.gateway),
        ]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        failures: list[Exception] = []

        def serve_spaces() -> None:
            """Its store takes longest to load: who asks meanwhile waits in the line of the open port."""
            try:
                from rehearsal.spaces.server import create_server

                create_server(config, listener).serve_forever()
            except Exception as error:
                failures.append(error)
                ended.set()

        threading.Thread(target=serve_spaces, daemon=True).start()
        ready = config.directory / "inside.ready"
        ready.touch()
        ended.wait()
        ready.unlink(missing_ok=True)
        for server in servers:
            server.shutdown()
    if failures:
        raise failures[0]
