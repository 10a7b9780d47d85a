#!/usr/bin/python3
"""End the drain that this node started when it was shut down.

At a shutdown a Nomad client drains its node, and Nomad keeps the node ineligible from then on.
The node ends that drain with its own secret. It never ends a drain that an operator started.
"""

import http.client
import json
import sys
from pathlib import Path

import node_tls

DRAIN_MARKER = Path("/var/lib/nomad-drained")
"""nomad.service creates it when the machine shuts down."""
CLIENT_STATE = Path("/var/lib/nomad/client")
ADDRESS, PORT = "127.0.0.1", 4646
TIMEOUT_S = 10


def connect() -> http.client.HTTPConnection:
    """Return a connection to this node's Nomad agent."""
    context = node_tls.create_context()
    return http.client.HTTPSConnection(ADDRESS, PORT, timeout=TIMEOUT_S, context=context)


def end_drain(node_id: str, secret: str) -> None:
    """End the node's drain and make it eligible.

    Raises:
        OSError: the agent does not answer, or it reaches no server.
    """
    connection = connect()
    try:
        body = json.dumps({"DrainSpec": None, "MarkEligible": True})
        connection.request("POST", f"/v1/node/{node_id}/drain", body, {"X-Nomad-Token": secret})
        response = connection.getresponse()
        if response.status != http.client.OK:
            text = response.read(200).decode(errors="replace").strip()
            raise OSError(f"Nomad answers {response.status}: {text}")
    finally:
        connection.close()


def main() -> int:
    """End the drain on a worker; a prime runs no Nomad client and has none to end."""
    try:
        if (CLIENT_STATE / "client-id").exists():
            end_drain(
                (CLIENT_STATE / "client-id").read_text().strip(),
                (CLIENT_STATE / "secret-id").read_text().strip(),
            )
    except (OSError, http.client.HTTPException) as error:
        print(f"end-drain: {error}", file=sys.stderr)
        return 1
    DRAIN_MARKER.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
