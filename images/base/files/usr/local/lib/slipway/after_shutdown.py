#!/usr/bin/python3
"""Gives this node work again after it was shut down.

A client that goes down with its machine drains its node, and Nomad keeps the node ineligible from then on. Who asked for
that was the node itself, so it may take it back, by its own secret; what an operator asked for is left alone.
"""

import http.client
import json
import sys
from pathlib import Path

import node_tls

DRAINED = Path("/var/lib/nomad-drained")
"""Made by nomad.service while the machine goes down."""
CLIENT = Path("/var/lib/nomad/client")
ADDRESS, PORT = "127.0.0.1", 4646
SECONDS = 10


def dial() -> http.client.HTTPConnection:
    return http.client.HTTPSConnection(ADDRESS, PORT, timeout=SECONDS, context=node_tls.context())


def welcome(node_id: str, secret: str) -> None:
    """End the node's drain and make it eligible.

    Raises:
        OSError: the agent does not answer, or no server does.
    """
    connection = dial()
    try:
        body = json.dumps({"DrainSpec": None, "MarkEligible": True})
        connection.request("POST", f"/v1/node/{node_id}/drain", body, {"X-Nomad-Token": secret})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise OSError(
                f"Nomad answers {answer.status}: {answer.read(200).decode(errors='replace').strip()}"
            )
    finally:
        connection.close()


def main() -> int:
    try:
        if (CLIENT / "client-id").exists():  # a prime has none
            welcome(
                (CLIENT / "client-id").read_text().strip(),
                (CLIENT / "secret-id").read_text().strip(),
            )
    except (OSError, http.client.HTTPException) as failed:
        print(f"after-shutdown: {failed}", file=sys.stderr)
        return 1
    DRAINED.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
