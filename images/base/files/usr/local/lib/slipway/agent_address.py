"""Answers Consul's question for its own address while Consul recovers from ``raft/peers.json``.

Meanwhile Consul applies its Raft log, and for that it requests ``/v1/agent/self`` from its own HTTP
API, which does not run yet. Consul 1.22.2 and 1.22.3 ignore that the request fails: each service
and each configuration entry of the log, and so each intention, is lost.
Source: ``IsDualStack`` in agent/netutil/network.go and ``setupRaft`` in agent/consul/server.go.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REQUEST_TIMEOUT_S = 5.0
MAX_REQUEST_BYTES = 4096


@contextmanager
def serve_agent_address(path: Path, address: str) -> Iterator[str]:
    """Serve ``/v1/agent/self`` during the block; yield the value of ``CONSUL_HTTP_ADDR``.

    Args:
        path: a socket that this function creates and removes.
        address: the address on which the agent listens.
    """
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)  # Consul has a user of its own.
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, _response(address)))
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


def _response(address: str) -> bytes:
    body = json.dumps({"Config": {"BindAddr": address}})
    lines = (
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        body,
    )
    return "\r\n".join(lines).encode()


def _serve(listener: socket.socket, response: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # The listener is shut down.
            return
        with connection:
            connection.settimeout(REQUEST_TIMEOUT_S)
            try:
                connection.recv(MAX_REQUEST_BYTES)
                connection.sendall(response)
            except OSError:
                continue
