"""Resources that exist before the generated requests, because their creation takes time."""

import time
from typing import Any

import requests

from tests.rehearsal.conformance.identifiers import Identifiers

RESOURCES_PER_TYPE = 4
WAIT_TIMEOUT_S = 30


def prepare(url: str, session: requests.Session, identifiers: Identifiers) -> None:
    """Create droplets, snapshots, reserved IPs, domains and load balancers.

    Raises:
        AssertionError: a creation fails.
    """

    def request(method: str, path: str, body: Any = None, **parents: Any) -> Any:
        response = session.request(method, url + path, json=body, timeout=WAIT_TIMEOUT_S)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        result = response.json()
        identifiers.collect(result, parents)
        return result

    def wait_for(action: int) -> None:
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while not request("GET", f"/v2/actions/{action}")["action"]["completed_at"]:
            assert time.monotonic() < deadline, f"action {action} does not end"
            time.sleep(0.02)

    droplet = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "tags": ["web"]}
    rule = {"entry_protocol": "tcp", "entry_port": 80, "target_protocol": "tcp", "target_port": 80}
    for number in range(RESOURCES_PER_TYPE):
        created = request("POST", "/v2/droplets", {"name": f"prepared{number}", **droplet})
        wait_for(created["links"]["actions"][0]["id"])
        id = created["droplet"]["id"]
        snapshot = request(
            "POST",
            f"/v2/droplets/{id}/actions",
            {"type": "snapshot", "name": f"snapshot{number}"},
            droplet_id=id,
        )
        wait_for(snapshot["action"]["id"])
        request("POST", "/v2/reserved_ips", {"region": "nyc3"})
        request("POST", "/v2/domains", {"name": f"prepared{number}.example"})
        request(
            "POST",
            "/v2/load_balancers",
            {"name": f"prepared{number}", "region": "nyc3", "forwarding_rules": [rule]},
        )
    for image in request("GET", "/v2/images?private=true")["images"][: RESOURCES_PER_TYPE // 2]:
        request(
            "POST",
            f"/v2/images/{image['id']}/actions",
            {"type": "transfer", "region": "fra1"},
            image_id=image["id"],
        )
    request("GET", "/v2/snapshots")
