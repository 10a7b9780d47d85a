"""Two hundred workers: their network and their machines, made by ``pulumi up --target`` in a cloud with none behind them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stack.large_plan import Commands, seeded, shell
from tests.stack.rig import Rig, eventually

PRIMES, WORKERS = 3, 200
MACHINES = PRIMES + WORKERS
FEW = 4
WAITED = 20
ENOUGH = "100000"
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


def everything(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """All that the account has by kind, page by page; the default project and VPCs, which nobody can delete, left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in KINDS:
        path, of = f"/v2/{kind}{'&' if '?' in kind else '?'}per_page=50", []
        while path:
            body = rig.api(path)
            [key] = set(body) - {"links", "meta"}
            of += [one for one in body[key] if not (one.get("is_default") or one.get("default"))]
            following = body.get("links", {}).get("pages", {}).get("next", "")
            path = following.removeprefix(rig.environment["DIGITALOCEAN_API_URL"])
        found[kind] = of
    return found


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig("largeplan", tmp_path / "checkout")
    try:
        rig.start("--machines", "memory", *request.param)
        yield rig
    finally:
        rig.stop()


@pytest.mark.parametrize(
    "cloud", [("--requests-an-hour", ENOUGH, "--requests-a-minute", ENOUGH)], indirect=True
)
def test_two_hundred_workers_are_made_and_destroyed_again_with_nothing_left(cloud: Rig) -> None:
    page = Commands.of_page()
    tag = seeded(cloud)
    cloud.set(primes=PRIMES, workers=WORKERS, workload=False)

    up = shell(cloud, page.up)
    assert up.code == 0, up.said[-4000:]
    there = everything(cloud)
    assert [tag in image["tags"] for image in there["images?private=true"]] == [True]
    [vpc] = there["vpcs"]
    by_name = {droplet["name"]: droplet for droplet in there["droplets"]}
    assert set(by_name) == {
        f"{role}{n:02d}nyc3"
        for role, many in (("prime", PRIMES), ("worker", WORKERS))
        for n in range(1, many + 1)
    }
    assert {(one["status"], one["vpc_uuid"], one["locked"]) for one in by_name.values()} == {
        ("active", vpc["id"], False)
    }
    addresses = [
        network["ip_address"] for one in by_name.values() for network in one["networks"]["v4"]
    ]
    assert len(set(addresses)) == len(addresses) == 2 * MACHINES
    assert {
        name: one["resources"]["droplets"]["count"]
        for one in there["tags"]
        if (name := one["name"]).startswith("slipway-dev-")
    } == {
        "slipway-dev-prime": PRIMES,
        "slipway-dev-worker": WORKERS,
    }
    assert len(there["firewalls"]) == 3

    again = shell(
        cloud,
        page.up.replace("pulumi up --yes --skip-preview", "pulumi preview --expect-no-changes"),
    )
    assert again.code == 0, again.said[-4000:]

    destroyed = shell(cloud, page.destroy)
    assert destroyed.code == 0, destroyed.said[-4000:]
    assert everything(cloud) == {kind: [] for kind in KINDS}


def spend(rig: Rig) -> None:
    """Another client of the account asks until it is told to wait, and leaves the others at least ``WAITED`` seconds to do so."""
    headers = {"Authorization": f"Bearer {rig.environment['DIGITALOCEAN_TOKEN']}"}
    while True:
        answer = requests.get(
            rig.environment["DIGITALOCEAN_API_URL"] + "/v2/regions", headers=headers, timeout=30
        )
        if answer.status_code == 429:
            seconds = float(answer.headers["Retry-After"])
            if seconds > WAITED:
                return
            time.sleep(seconds)


@pytest.mark.parametrize("cloud", [()], indirect=True)
def test_a_plan_beyond_the_real_rate_limit_waits_as_told_and_gets_through(cloud: Rig) -> None:
    log = Path(cloud.environment["PULUMI_HOME"]).parent / "api.log"
    seeded(cloud)
    cloud.set(workers=FEW, workload=False)

    with ThreadPoolExecutor() as beside:
        running = beside.submit(shell, cloud, Commands.of_page().up)
        assert eventually(lambda: "POST /v2/vpcs 201" in log.read_text() or running.done(), 300)
        spend(cloud)
        up = running.result()
    assert up.code == 0, up.said[-4000:]
    assert len(cloud.droplets()) == 1 + FEW
    waited = [
        line
        for line in log.read_text().splitlines()
        if " 429 " in line and "/v2/regions" not in line
    ]
    assert waited, "nothing had to wait"
