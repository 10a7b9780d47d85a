"""Conversion of API objects to the results of functions."""

from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.digitalocean.droplet import address
from rehearsal.plugins.properties import State


def region_properties(region: Mapping[str, Any]) -> State:
    return {key: region[key] for key in ("slug", "name", "available", "sizes", "features")}


def size_properties(size: Mapping[str, Any]) -> State:
    same = {
        key: size[key]
        for key in ("slug", "available", "transfer", "memory", "vcpus", "disk", "regions")
    }
    return same | {"priceMonthly": size["price_monthly"], "priceHourly": size["price_hourly"]}


def image_properties(image: Mapping[str, Any]) -> State:
    same = {
        key: image.get(key) or ""
        for key in ("name", "type", "distribution", "slug", "description", "status")
    }
    return same | {
        "id": image["id"],
        "image": image.get("slug") or str(image["id"]),
        "private": not image["public"],
        "regions": image["regions"],
        "tags": image.get("tags") or [],
        "minDiskSize": image["min_disk_size"],
        "sizeGigabytes": image["size_gigabytes"],
        "created": image["created_at"],
        "errorMessage": image.get("error_message", ""),
    }


def droplet_properties(droplet: Mapping[str, Any]) -> State:
    features = droplet["features"]
    image = droplet["image"]
    same = {
        key: droplet[key]
        for key in ("id", "name", "disk", "vcpus", "memory", "status", "locked", "tags")
    }
    return same | {
        "urn": f"do:droplet:{droplet['id']}",
        "image": image.get("slug") or str(image["id"]),
        "region": droplet["region"]["slug"],
        "size": droplet["size"]["slug"],
        "priceHourly": droplet["size"]["price_hourly"],
        "priceMonthly": droplet["size"]["price_monthly"],
        "createdAt": droplet["created_at"],
        "vpcUuid": droplet.get("vpc_uuid", ""),
        "volumeIds": droplet["volume_ids"],
        "ipv4Address": address(droplet, "v4", "public"),
        "ipv4AddressPrivate": address(droplet, "v4", "private"),
        "ipv6Address": address(droplet, "v6", "public").lower(),
        "ipv6AddressPrivate": address(droplet, "v6", "private").lower(),
        "backups": "backups" in features,
        "ipv6": "ipv6" in features,
        "privateNetworking": "private_networking" in features,
        "monitoring": "monitoring" in features,
    }
