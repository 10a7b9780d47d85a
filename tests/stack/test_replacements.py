"""Changes that replace machines: no request fails, and the cluster keeps its data."""

import base64

from infra.names import label_of_droplet
from tests.stack.rig import Rig
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


def test_moving_to_another_region_transfers_the_image(replaceable: Rig) -> None:
    before = replaceable.outputs["image"]
    replaceable.set(region="ams3")
    replaceable.up()
    assert replaceable.outputs["image"] == before
    [image] = replaceable.api("/v2/images?private=true")["images"]
    assert image["name"] == before and {"nyc3", "ams3"} <= set(image["regions"])
    ids_by_slot(replaceable)
    assert all("ams3" in name for name in replaceable.droplets())
    assert replaceable.deploy("verify").code == 0
    assert "ams3" in replaceable.answer()["node"]
