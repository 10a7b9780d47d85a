"""What the cloud under test holds before the trial: a few of what takes its time to come, so that they can be named."""

import time
from typing import Any

import requests

from tests.rehearsal.conformance.known import Known

DROPLETS = 4
WAIT_SECONDS = 30


def prepare(url: str, session: requests.Session, known: Known) -> None:
    """Make droplets, and snapshots of them.

    Raises:
        AssertionError: the cloud did not make them.
    """

    def ask(method: str, path: str, body: Any = None) -> Any:
        response = session.request(method, url + path, json=body, timeout=WAIT_SECONDS)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        found = response.json()
        known.learn(found)
        return found

    def ended(action: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not ask("GET", f"/v2/actions/{action}")["action"]["completed_at"]:
            assert time.monotonic() < deadline, f"action {action} does not end"
            time.sleep(0.02)

    body = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["web"]}
    for number in range(DROPLETS):
        made = ask("POST", "/v2/droplets", {"name": f"prepared{number}", **body})
        ended(made["links"]["actions"][0]["id"])
        kept = ask("POST", f"/v2/droplets/{made['droplet']['id']}/actions", {"type": "snapshot", "name": f"kept{number}"})
        ended(kept["action"]["id"])
    ask("GET", "/v2/images?private=true")
    ask("GET", "/v2/snapshots")
