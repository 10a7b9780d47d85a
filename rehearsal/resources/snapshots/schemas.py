"""Response bodies of snapshots: the id is a number in a droplet's list, and a string elsewhere."""

from typing import Any

from rehearsal.state.records import Image


def format_snapshot(image: Image) -> dict[str, Any]:
    """Return ``snapshots`` of the API."""
    return {
        **_common(image),
        "id": str(image.id),
        "resource_id": str(image.droplet_id),
        "resource_type": "droplet",
        "tags": image.tags,
    }


def format_droplet_snapshot(image: Image) -> dict[str, Any]:
    """Return ``droplet_snapshot`` of the API."""
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
