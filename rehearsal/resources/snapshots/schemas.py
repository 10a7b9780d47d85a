"""Snapshots on the wire: the same thing twice, with an id that is a number under a droplet and a text elsewhere."""

from typing import Any

from rehearsal.state.records import Image


def snapshot(image: Image) -> dict[str, Any]:
    """``snapshots`` of the API."""
    return {
        **_common(image),
        "id": str(image.id),
        "resource_id": str(image.droplet_id),
        "resource_type": "droplet",
        "tags": image.tags,
    }


def droplet_snapshot(image: Image) -> dict[str, Any]:
    """``droplet_snapshot`` of the API."""
    return {
        **_common(image),
        "id": image.id,
        "type": "snapshot",
        "distribution": image.distribution,
        "slug": None,
        "public": False,
    }


def _common(image: Image) -> dict[str, Any]:
    return {
        "name": image.name,
        "created_at": image.created_at,
        "regions": image.regions,
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": image.size_gigabytes,
    }
