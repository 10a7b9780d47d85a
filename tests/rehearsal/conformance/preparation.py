"""What the cloud under test holds before the trial: a few of what takes its time to come, so that they can be named."""

import time
from typing import Any

import requests

from tests.rehearsal.conformance.known import Known

EACH = 4
WAIT_SECONDS = 30


def prepare(url: str, session: requests.Session, known: Known) -> None:
    """Make droplets, snapshots of them, and what else is asked for by names that only the cloud gives.

    Raises:
        AssertionError: the cloud did not make them.
    """

    def ask(method: str, path: str, body: Any = None, **within: Any) -> Any:
        response = session.request(method, url + path, json=body, timeout=WAIT_SECONDS)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        found = response.json()
        known.learn(found, within)
        return found

    def ended(action: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not ask("GET", f"/v2/actions/{action}")["action"]["completed_at"]:
            assert time.monotonic() < deadline, f"action {action} does not end"
            time.sleep(0.02)

    droplet = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["web"]}
    rule = {"entry_protocol": "tcp", "entry_port": 80, "target_protocol": "tcp", "target_port": 80}
    for number in range(EACH):
        made = ask("POST", "/v2/droplets", {"name": f"prepared{number}", **droplet})
        ended(made["links"]["actions"][0]["id"])
        id = made["droplet"]["id"]
        kept = ask(
            "POST",
            f"/v2/droplets/{id}/actions",
            {"type": "snapshot", "name": f"kept{number}"},
            droplet_id=id,
        )
        ended(kept["action"]["id"])
        ask("POST", "/v2/reserved_ips", {"region": "nyc3"})
        ask("POST", "/v2/domains", {"name": f"prepared{number}.example"})
        ask(
            "POST",
            "/v2/load_balancers",
            {"name": f"prepared{number}", "region": "nyc3", "forwarding_rules": [rule]},
        )
    for image in ask("GET", "/v2/images?private=true")["images"][: EACH // 2]:
        ask(
            "POST",
            f"/v2/images/{image['id']}/actions",
            {"type": "transfer", "region": "fra1"},
            image_id=image["id"],
        )
    ask("GET", "/v2/snapshots")
