"""Fifty clients create, tag and delete the same resources; the store stays consistent."""

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.rehearsal.support.served import (
    ApiClient,
    create_config,
    inconsistencies,
    serving,
    wait_until_idle,
)

CLIENTS = 50
STEPS = 20
TAGS = ["red", "Red", "green", "blue"]
DROPLET_NAMES = ["same1", "same2", "same3"]
SPEC = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
EXPECTED = {200, 201, 202, 204, 404, 409, 422}


def _step(api: ApiClient, rng: random.Random) -> int:
    """Send one request about a resource that all clients use."""
    tag, name = rng.choice(TAGS), rng.choice(DROPLET_NAMES)
    droplets = [droplet["id"] for droplet in api("GET", "/v2/droplets")[1]["droplets"]]
    some = rng.sample(droplets, min(2, len(droplets)))
    resources = {"resources": [{"resource_id": str(id), "resource_type": "droplet"} for id in some]}
    rule = {"protocol": "icmp", "sources": {"addresses": ["0.0.0.0/0"]}}
    method, path, body = rng.choice(
        [
            ("POST", "/v2/droplets", {"name": name, "tags": [tag], **SPEC}),
            ("POST", "/v2/tags", {"name": tag}),
            ("POST", f"/v2/tags/{tag}/resources", resources),
            ("DELETE", f"/v2/tags/{tag}/resources", resources),
            ("DELETE", f"/v2/tags/{tag}", None),
            ("DELETE", f"/v2/droplets?tag_name={tag}", None),
            (
                "POST",
                "/v2/firewalls",
                {"name": "same", "inbound_rules": [rule], "droplet_ids": some},
            ),
            ("POST", "/v2/vpcs", {"name": "same", "region": "nyc3", "ip_range": "10.200.0.0/24"}),
            ("POST", "/v2/projects", {"name": "same", "purpose": "Other"}),
            *[("DELETE", f"/v2/droplets/{id}", None) for id in some],
            *[
                ("POST", f"/v2/droplets/{id}/actions", {"type": "rename", "name": name})
                for id in some
            ],
        ]
    )
    return api(method, path, body)[0]


def test_concurrent_clients_leave_a_consistent_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    config = create_config(tmp_path)
    statuses: Counter[int] = Counter()
    barrier = threading.Barrier(CLIENTS)
    errors: list[BaseException] = []

    def client(number: int) -> None:
        rng = random.Random(number)
        try:
            with ApiClient(config) as api:
                barrier.wait()
                statuses.update([_step(api, rng) for _ in range(STEPS)])
        except BaseException as error:
            errors.append(error)

    with serving(config), ApiClient(config) as api:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert statuses.total() == CLIENTS * STEPS
        assert set(statuses) <= EXPECTED, statuses
        assert {202, 204, 422} <= set(statuses), statuses
        droplets = wait_until_idle(api)
        assert inconsistencies(api, droplets) == []
        names = {
            kind: [item["name"] for item in api.all(kind)]
            for kind in ("tags", "vpcs", "projects", "firewalls")
        }
        assert {
            kind: name
            for kind, listed in names.items()
            for name in listed
            if Counter(n.lower() for n in listed)[name.lower()] > 1
        } == {}
    # After a restart, the API returns the same: memory and database agree.
    with serving(config), ApiClient(config) as api:
        assert {d["id"]: d for d in wait_until_idle(api)} == {d["id"]: d for d in droplets}
        assert {kind: [item["name"] for item in api.all(kind)] for kind in names} == names
