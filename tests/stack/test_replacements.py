"""Changes that replace machines: no request fails, and the cluster keeps its data."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from infra.names import label_of_droplet
from tests.stack.rig import COMMAND_TIMEOUT_S, Rig, wait_for
from tests.stack.traffic import Traffic

SLOTS = {"prime01", "worker01", "worker02", "worker03", "worker04"}
KEY = "/v1/kv/tests/replacements"


def ids_by_slot(rig: Rig) -> dict[str, int]:
    """Return the droplet of each slot; two droplets of one slot are an error."""
    droplets = [(label_of_droplet(name), droplet["id"]) for name, droplet in rig.droplets().items()]
    assert sorted(slot for slot, _ in droplets) == sorted(SLOTS), droplets
    return dict(droplets)


def assert_complete(rig: Rig) -> None:
    verification = rig.deploy("verify")
    assert verification.code == 0, verification.output[-4000:]
    assert rig.up()["changes"] == []


def test_new_image_replaces_every_machine(replaceable: Rig) -> None:
    before = ids_by_slot(replaceable)
    image = replaceable.outputs["image"]
    replaceable.consul(KEY, "PUT", management=True, value="kept")
    script = replaceable.directory / "images/base/scripts/clean-image.sh"
    script.write_text(f"{script.read_text()}# another image\n")
    with Traffic(replaceable.outputs["url"]) as traffic:
        replaceable.up()
    traffic.assert_no_failures()
    after = ids_by_slot(replaceable)
    assert not set(before.values()) & set(after.values())
    assert replaceable.outputs["image"] != image
    assert_complete(replaceable)


def test_replacing_the_only_prime_keeps_the_data(replaceable: Rig) -> None:
    """No other machine is replaced."""
    before = ids_by_slot(replaceable)
    replaceable.consul(KEY, "PUT", management=True, value="kept")
    with Traffic(replaceable.outputs["url"]) as traffic:
        result = replaceable.deploy("replace", "prime01", "--yes")
    assert result.code == 0, result.output[-4000:]
    traffic.assert_no_failures()
    after = ids_by_slot(replaceable)
    assert {slot for slot in SLOTS if before[slot] != after[slot]} == {"prime01"}
    [entry] = replaceable.consul(KEY, management=True)
    assert "kept" in base64.b64decode(entry["Value"]).decode()
    assert_complete(replaceable)


def test_one_up_replaces_a_destroyed_worker(replaceable: Rig) -> None:
    before = ids_by_slot(replaceable)
    replaceable.api(f"/v2/droplets/{before['worker02']}", "DELETE")
    replaceable.up()
    after = ids_by_slot(replaceable)
    assert {slot for slot in SLOTS if before[slot] != after[slot]} == {"worker02"}
    assert_complete(replaceable)


@pytest.mark.parametrize(
    "change",
    [{"region": "ams3"}, {"region": "nyc3"}, {"vpc_cidr": "10.20.0.0/20"}],
    ids=["region", "former-region", "range"],
)
def test_former_url_answers_until_the_new_network_does(
    replaceable: Rig, change: dict[str, str]
) -> None:
    """The image is transferred, and nothing of the former network is left."""
    image = replaceable.outputs["image"]
    move(replaceable, change)
    assert replaceable.outputs["image"] == image
    ids_by_slot(replaceable)
    assert_complete(replaceable)


def move(rig: Rig, change: dict[str, str]) -> None:
    """Change settings of the network while a client uses the former URL.

    Raises:
        AssertionError: a request failed before the new URL answered, or something is left.
    """
    url = rig.outputs["url"]
    rig.set(**change)
    with ThreadPoolExecutor(1) as executor, Traffic(url, requests_per_s=50) as traffic:
        answered = executor.submit(wait_for_other_url, rig, url)
        rig.up()
    early = [sent for sent in traffic.failure_times if sent < answered.result()]
    assert not early, f"{len(early)} of {traffic.request_count}: {traffic.failures[:3]}"
    [network] = [vpc for vpc in rig.api("/v2/vpcs")["vpcs"] if "slipway" in vpc["name"]]
    assert change.items() <= {**network, "vpc_cidr": network["ip_range"]}.items()
    assert all(network["region"] in name for name in rig.droplets())
    assert network["region"] in rig.answer()["node"]
    assert len(rig.api("/v2/load_balancers")["load_balancers"]) == 1
    assert len(rig.api("/v2/firewalls")["firewalls"]) == 4


def wait_for_other_url(rig: Rig, url: str) -> float:
    """Return when a load balancer with another address has answered: ``time.monotonic()``."""

    def answers() -> bool:
        addresses = [balancer["ip"] for balancer in rig.api("/v2/load_balancers")["load_balancers"]]
        return any(
            _answers(f"http://{address}/")
            for address in addresses
            if address and address not in url
        )

    assert wait_for(answers, COMMAND_TIMEOUT_S), "no other URL answers"
    return time.monotonic()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
