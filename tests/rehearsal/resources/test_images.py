"""Images: stock, snapshots, transfers."""

from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.times import ImageTimes, Times
from tests.rehearsal.support.client import UNLIMITED, Client, running


def test_lists_are_filtered_by_kind_and_tag(api: Client) -> None:
    snapshot = api.snapshot()
    api("POST", "/v2/tags", {"name": "base"}, 201)
    api(
        "POST",
        "/v2/tags/base/resources",
        {"resources": [{"resource_id": str(snapshot["id"]), "resource_type": "image"}]},
        204,
    )

    def slugs_or_names(query: str) -> list[str]:
        return [
            image["slug"] or image["name"] for image in api("GET", f"/v2/images{query}")["images"]
        ]

    assert slugs_or_names("") == ["debian-12-x64", "base.1"]
    assert slugs_or_names("?private=true") == ["base.1"]
    assert slugs_or_names("?type=distribution") == ["debian-12-x64"]
    assert slugs_or_names("?type=application") == []
    assert slugs_or_names("?tag_name=base") == ["base.1"]
    assert api("GET", f"/v2/images/{snapshot['id']}")["image"]["tags"] == ["base"]


def test_a_snapshot_is_transferred_to_be_used_elsewhere(api: Client) -> None:
    id = api.snapshot()["id"]
    there = {"name": "one", "region": "ams3", "size": "s-1vcpu-1gb", "image": id}
    assert "not available in the selected region ams3" in api.error_message(
        "POST", "/v2/droplets", there
    )
    path = f"/v2/images/{id}/actions"
    transfer = api("POST", path, {"type": "transfer", "region": "ams3"}, 201)["action"]
    assert (transfer["status"], transfer["resource_type"], transfer["resource_id"]) == (
        "in-progress",
        "image",
        id,
    )
    assert api.wait_for_action(transfer["id"])["status"] == "completed"
    assert api("GET", f"{path}/{transfer['id']}")["action"]["status"] == "completed"
    assert api("GET", f"/v2/images/{id}")["image"]["regions"] == ["nyc3", "ams3"]
    assert api.droplet(region="ams3", image=id)["image"]["name"] == "base.1"
    assert "already available" in api.error_message(
        "POST", path, {"type": "transfer", "region": "ams3"}
    )
    assert "invalid region" in api.error_message(
        "POST", path, {"type": "transfer", "region": "mars1"}
    )


def test_an_image_in_transfer_cannot_be_transferred_or_deleted(config: CloudConfig) -> None:
    slow = config.model_copy(update={"times": Times(image=ImageTimes(transfer=3600))})
    with running(slow, MemoryMachines(slow), UNLIMITED) as api:
        id = api.snapshot()["id"]
        for region in ("ams3", "fra1"):
            api("POST", f"/v2/images/{id}/actions", {"type": "transfer", "region": region}, 201)
        again = api.error_message(
            "POST", f"/v2/images/{id}/actions", {"type": "transfer", "region": "ams3"}
        )
        assert again == "The image is already being transferred to region ams3."
        for path in (f"/v2/images/{id}", f"/v2/snapshots/{id}"):
            assert (
                api.error_message("DELETE", path)
                == "The image is being transferred and can not be deleted."
            )
        assert api("GET", f"/v2/images/{id}")["image"]["regions"] == ["nyc3"]


@pytest.mark.parametrize(
    "action", [{}, {"type": "copy"}, {"type": "transfer"}, {"type": "convert"}]
)
def test_invalid_image_actions(api: Client, action: dict[str, str]) -> None:
    id = api.snapshot()["id"]
    api.error_message("POST", f"/v2/images/{id}/actions", action)
    assert len(api("GET", f"/v2/images/{id}/actions")["actions"]) == 0


@pytest.mark.parametrize("change", [{"name": ""}, {"distribution": "Plan 9"}, {"description": 7}])
def test_invalid_image_updates(api: Client, change: dict[str, Any]) -> None:
    api.error_message("PUT", f"/v2/images/{api.snapshot()['id']}", change)


def test_a_snapshot_needs_a_disk_of_its_size(api: Client) -> None:
    id = api.snapshot()["id"]
    small = {"name": "one", "region": "nyc3", "size": "s-1vcpu-512mb-10gb", "image": id}
    assert "needs a disk of 25 GB" in api.error_message("POST", "/v2/droplets", small)


def test_update_and_delete(api: Client) -> None:
    path = f"/v2/images/{api.snapshot()['id']}"
    changed = api("PUT", path, {"name": "base.2", "description": "new"})["image"]
    assert (changed["name"], changed["description"], changed["distribution"]) == (
        "base.2",
        "new",
        "Debian",
    )
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)
    api("DELETE", path, expect=404)
    assert api("GET", "/v2/snapshots")["snapshots"] == []


def test_a_droplet_keeps_its_deleted_image(api: Client) -> None:
    id = api.snapshot()["id"]
    droplet = api.droplet(image=id)
    api("DELETE", f"/v2/images/{id}", expect=204)
    assert api("GET", f"/v2/droplets/{droplet['id']}")["droplet"]["image"]["id"] == id


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_stock_images_cannot_be_changed(api: Client, method: str) -> None:
    image = api("GET", "/v2/images/debian-12-x64")["image"]
    api.error_message(method, f"/v2/images/{image['id']}", {"name": "mine"}, expect=403)


def test_snapshots(api: Client) -> None:
    id = api.snapshot()["id"]
    assert [
        snapshot["id"]
        for snapshot in api("GET", "/v2/snapshots?resource_type=droplet")["snapshots"]
    ] == [str(id)]
    assert api("GET", "/v2/snapshots?resource_type=volume")["snapshots"] == []
    stock = api("GET", "/v2/images/debian-12-x64")["image"]
    assert (
        api.error_message("GET", f"/v2/snapshots/{stock['id']}", expect=400)
        == "the resource is not a snapshot"
    )
    api("GET", "/v2/snapshots/nothing", expect=404)
    api("DELETE", f"/v2/snapshots/{id}", expect=204)
    api("DELETE", f"/v2/snapshots/{id}", expect=404)
    api("GET", f"/v2/images/{id}", expect=404)
