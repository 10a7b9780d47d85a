"""``pulumi up --target`` creates 200 workers and their network in a cloud of memory machines."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stack.large_plan import Commands, run_shell, seed_image
from tests.stack.rig import Rig, wait_for

PRIMES, WORKERS = 3, 200
MACHINES = PRIMES + WORKERS
FEW_WORKERS = 4
MIN_WAIT_S = 20
UNLIMITED = "100000"
KINDS = (
    "account/keys",
    "certificates",
    "domains",
    "droplets",
    "firewalls",
    "images?private=true",
    "load_balancers",
    "projects",
    "reserved_ips",
    "snapshots",
    "tags",
    "vpcs",
)


def account_resources(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """Return all resources of the account by kind, without default project and default VPCs."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for kind in KINDS:
        path, resources = f"/v2/{kind}{'&' if '?' in kind else '?'}per_page=50", []
        while path:
            body = rig.api(path)
            [key] = set(body) - {"links", "meta"}
            resources += [
                resource
                for resource in body[key]
                if not (resource.get("is_default") or resource.get("default"))
            ]
            next_page = body.get("links", {}).get("pages", {}).get("next", "")
            path = next_page.removeprefix(rig.environment["DIGITALOCEAN_API_URL"])
        by_kind[kind] = resources
    return by_kind


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig("largeplan", tmp_path / "checkout")
    try:
        rig.start("--machines", "memory", *request.param)
        yield rig
    finally:
        rig.stop()


@pytest.mark.parametrize(
    "cloud", [("--requests-an-hour", UNLIMITED, "--requests-a-minute", UNLIMITED)], indirect=True
)
def test_two_hundred_workers_are_created_and_destroyed(cloud: Rig) -> None:
    commands = Commands.read()
    tag = seed_image(cloud)
    cloud.set(primes=PRIMES, workers=WORKERS, workload=False)

    up = run_shell(cloud, commands.up)
    assert up.code == 0, up.output[-4000:]
    resources = account_resources(cloud)
    assert [tag in image["tags"] for image in resources["images?private=true"]] == [True]
    [vpc] = resources["vpcs"]
    droplets = {droplet["name"]: droplet for droplet in resources["droplets"]}
    assert set(droplets) == {
        f"{role}{number:02d}nyc3"
        for role, count in (("prime", PRIMES), ("worker", WORKERS))
        for number in range(1, count + 1)
    }
    assert {
        (droplet["status"], droplet["vpc_uuid"], droplet["locked"]) for droplet in droplets.values()
    } == {("active", vpc["id"], False)}
    addresses = [
        network["ip_address"]
        for droplet in droplets.values()
        for network in droplet["networks"]["v4"]
    ]
    assert len(set(addresses)) == len(addresses) == 2 * MACHINES
    assert {
        name: tag["resources"]["droplets"]["count"]
        for tag in resources["tags"]
        if (name := tag["name"]).startswith("slipway-dev-")
    } == {
        "slipway-dev-prime": PRIMES,
        "slipway-dev-worker": WORKERS,
    }
    assert len(resources["firewalls"]) == 3

    preview = run_shell(
        cloud,
        commands.up.replace("pulumi up --yes --skip-preview", "pulumi preview --expect-no-changes"),
    )
    assert preview.code == 0, preview.output[-4000:]

    destroyed = run_shell(cloud, commands.destroy)
    assert destroyed.code == 0, destroyed.output[-4000:]
    assert account_resources(cloud) == {kind: [] for kind in KINDS}


def exhaust_rate_limit(rig: Rig) -> None:
    """Send requests as another client, until all clients have to wait ``MIN_WAIT_S`` or more."""
    headers = {"Authorization": f"Bearer {rig.environment['DIGITALOCEAN_TOKEN']}"}
    url = rig.environment["DIGITALOCEAN_API_URL"] + "/v2/regions"
    while True:
        response = requests.get(url, headers=headers, timeout=30)
        if response.status_code == 429:
            retry_after_s = float(response.headers["Retry-After"])
            if retry_after_s > MIN_WAIT_S:
                return
            time.sleep(retry_after_s)


@pytest.mark.parametrize("cloud", [()], indirect=True)
def test_plan_beyond_the_rate_limit_waits_as_told(cloud: Rig) -> None:
    log = Path(cloud.environment["PULUMI_HOME"]).parent / "api.log"
    seed_image(cloud)
    cloud.set(workers=FEW_WORKERS, workload=False)

    with ThreadPoolExecutor() as pool:
        update = pool.submit(run_shell, cloud, Commands.read().up)
        assert wait_for(lambda: "POST /v2/vpcs 201" in log.read_text() or update.done(), 300)
        exhaust_rate_limit(cloud)
        up = update.result()
    assert up.code == 0, up.output[-4000:]
    assert len(cloud.droplets()) == 1 + FEW_WORKERS
    limited = [
        line
        for line in log.read_text().splitlines()
        if " 429 " in line and "/v2/regions" not in line
    ]
    assert limited, "no request of the update met the rate limit"
