"""The servers in the cloud's network namespace: metadata, DNS, Spaces and releases."""

import logging
import signal
import socket
import socketserver
import threading
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from rehearsal.config import CloudConfig
from rehearsal.network import dns, hosts_file, metadata, releases
from rehearsal.network.bridges import METADATA_ADDRESS
from rehearsal.topology.network_state_file import NetworkStateFile

log = logging.getLogger("rehearsal")

HTTP_PORT = 80


class HttpServer(socketserver.ThreadingTCPServer):
    """Like that of ``http.server``, which would look up its own name in DNS first."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: IPv4Address, handler: Callable[..., Any]) -> None:
        super().__init__((str(address), HTTP_PORT), handler)


def serve(config: CloudConfig) -> None:
    """Serve until SIGTERM. The file ``guest-services.ready`` appears once every port is open.

    Raises:
        OSError: an address does not exist or a port is in use.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    network_state = NetworkStateFile(config)
    with socket.create_server((str(config.spaces_address), HTTP_PORT), backlog=128) as listener:
        servers: list[socketserver.BaseServer] = [
            HttpServer(METADATA_ADDRESS, metadata.create_handler(config, network_state)),
            HttpServer(config.releases_address, releases.create_handler(config)),
            *dns.create_servers(dns.Responder(config, network_state.current), config.gateway),
        ]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        errors: list[Exception] = []

        def serve_spaces() -> None:
            """Load Spaces, which takes longest; connections wait in the backlog meanwhile."""
            try:
                from rehearsal.spaces.server import create_server

                add_names = partial(_add_bucket_names, config)
                create_server(config, listener, on_bucket=add_names).serve_forever()
            except Exception as error:
                errors.append(error)
                stopped.set()

        threading.Thread(target=serve_spaces, daemon=True).start()
        ready = config.directory / "guest-services.ready"
        ready.touch()
        stopped.wait()
        ready.unlink(missing_ok=True)
        for server in servers:
            server.shutdown()
    if errors:
        raise errors[0]


def _add_bucket_names(config: CloudConfig, bucket: str) -> None:
    """Make the host names of a bucket resolve on this machine, until the cloud goes down."""
    try:
        hosts_file.add_bucket_names(config, [bucket])
    except OSError as error:
        log.warning("bucket %s gets no host name on this machine: %s", bucket, error)
