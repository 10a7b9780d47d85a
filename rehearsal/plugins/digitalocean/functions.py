"""Data sources."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.droplet import address
from rehearsal.plugins.digitalocean.project import members
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.naming import camel
from rehearsal.plugins.resource import Function
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State, list_of, object_of

FILTER: Properties = {
    "key": Property(STRING, required=True),
    "values": Property(list_of(STRING), required=True),
    "matchBy": Property(STRING),
    "all": Property(BOOLEAN),
}
SORT: Properties = {"key": Property(STRING, required=True), "direction": Property(STRING)}
LISTING: Properties = {
    "filters": Property(list_of(object_of(FILTER))),
    "sorts": Property(list_of(object_of(SORT))),
}


def _region(region: Mapping[str, Any]) -> State:
    return {key: region[key] for key in ("slug", "name", "available", "sizes", "features")}


def _size(size: Mapping[str, Any]) -> State:
    same = {
        key: size[key]
        for key in ("slug", "available", "transfer", "memory", "vcpus", "disk", "regions")
    }
    return same | {"priceMonthly": size["price_monthly"], "priceHourly": size["price_hourly"]}


def _image(image: Mapping[str, Any]) -> State:
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


def _droplet(droplet: Mapping[str, Any]) -> State:
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


def _matches(record: State, wanted: Mapping[str, Any]) -> bool:
    """Whether a record's value, or one of its values, is one of those wanted (all of them with ``all``)."""
    value = record.get(wanted["key"], record.get(camel(wanted["key"])))
    values = [_text(item) for item in value] if isinstance(value, list) else [_text(value)]
    tests: dict[str, Callable[[str, str], bool]] = {
        "exact": lambda found, want: found == want,
        "re": lambda found, want: re.search(want, found) is not None,
        "substring": lambda found, want: want in found,
    }
    test = tests[wanted.get("matchBy") or "exact"]
    hits = [any(test(found, want) for found in values) for want in wanted["values"]]
    return all(hits) if wanted.get("all") else any(hits)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listing(
    path: str, key: str, shape: Callable[[Mapping[str, Any]], State]
) -> Callable[[DigitalOcean, State], State]:
    """A data source that gets all and filters here, as the official one does."""

    def call(client: DigitalOcean, inputs: State) -> State:
        records = [shape(item) for item in client.every(path, key)]
        for wanted in inputs.get("filters") or []:
            records = [record for record in records if _matches(record, wanted)]
        for order in reversed(inputs.get("sorts") or []):
            records.sort(
                key=lambda record: record[camel(order["key"])],
                reverse=order.get("direction") == "desc",
            )
        return {
            "id": f"{key}-{len(records)}",
            key: records,
            "filters": inputs.get("filters"),
            "sorts": inputs.get("sorts"),
        }

    return call


def _one(records: list[Any], what: str) -> Any:
    if len(records) != 1:
        raise PluginError(
            f"no {what} found"
            if not records
            else f"too many {what}s found (found {len(records)}, expected 1)"
        )
    return records[0]


def _get_region(client: DigitalOcean, inputs: State) -> State:
    found = [
        item
        for item in client.every("/v2/regions", "regions")
        if item["slug"] == inputs["slug"].lower()
    ]
    region = _region(_one(found, f"region with slug {inputs['slug']}"))
    return region | {"id": region["slug"]}


def _get_image(client: DigitalOcean, inputs: State) -> State:
    if inputs.get("id") or inputs.get("slug"):
        image = client.call("GET", f"/v2/images/{inputs.get('id') or inputs['slug']}")["image"]
    elif inputs.get("name"):
        queries = {
            "all": {},
            "applications": {"type": "application"},
            "distributions": {"type": "distribution"},
        }
        query = queries.get(inputs.get("source") or "user", {"private": "true"})
        found = [
            item
            for item in client.every("/v2/images", "images", query)
            if item["name"] == inputs["name"]
        ]
        image = _one(found, f"image with name {inputs['name']}")
    else:
        raise PluginError("one of `id`, `name`, or `slug` must be assigned")
    return _image(image) | {"source": inputs.get("source")}


def _get_account(client: DigitalOcean, inputs: State) -> State:
    account = client.call("GET", "/v2/account")["account"]
    return {
        "id": account["uuid"],
        "uuid": account["uuid"],
        "email": account["email"],
        "emailVerified": account["email_verified"],
        "status": account["status"],
        "statusMessage": account["status_message"],
        "dropletLimit": account["droplet_limit"],
        "floatingIpLimit": account["floating_ip_limit"],
    }


def _get_vpc(client: DigitalOcean, inputs: State) -> State:
    if inputs.get("id"):
        vpc = client.call("GET", f"/v2/vpcs/{inputs['id']}")["vpc"]
    elif inputs.get("name"):
        found = [
            item for item in client.every("/v2/vpcs", "vpcs") if item["name"] == inputs["name"]
        ]
        vpc = _one(found, f"VPC with name {inputs['name']}")
    else:
        found = [
            item
            for item in client.every("/v2/vpcs", "vpcs")
            if item["default"] and item["region"] == inputs.get("region")
        ]
        vpc = _one(found, f"default VPC in region {inputs.get('region')}")
    same = {
        key: vpc.get(key, "") for key in ("id", "name", "region", "description", "urn", "default")
    }
    return same | {"ipRange": vpc["ip_range"], "createdAt": vpc["created_at"]}


def _get_ssh_key(client: DigitalOcean, inputs: State) -> State:
    found = [
        item
        for item in client.every("/v2/account/keys", "ssh_keys")
        if item["name"] == inputs["name"]
    ]
    key = _one(found, f"ssh key with name {inputs['name']}")
    return {
        "id": key["id"],
        "name": key["name"],
        "fingerprint": key["fingerprint"],
        "publicKey": key["public_key"],
    }


def _get_project(client: DigitalOcean, inputs: State) -> State:
    if inputs.get("id"):
        project = client.call("GET", f"/v2/projects/{inputs['id']}")["project"]
    elif inputs.get("name"):
        found = [
            item
            for item in client.every("/v2/projects", "projects")
            if item["name"] == inputs["name"]
        ]
        project = _one(found, f"project with name {inputs['name']}")
    else:
        project = client.call("GET", "/v2/projects/default")["project"]
    same = {
        key: project.get(key, "") for key in ("id", "name", "description", "purpose", "environment")
    }
    return same | {
        "isDefault": project["is_default"],
        "ownerId": project["owner_id"],
        "ownerUuid": project["owner_uuid"],
        "createdAt": project["created_at"],
        "updatedAt": project["updated_at"],
        "resources": members(client, project["id"]),
    }


def _get_droplet(client: DigitalOcean, inputs: State) -> State:
    if inputs.get("id"):
        droplet = client.call("GET", f"/v2/droplets/{inputs['id']}")["droplet"]
    elif inputs.get("tag"):
        droplet = _one(
            client.every("/v2/droplets", "droplets", {"tag_name": inputs["tag"]}),
            f"droplet with tag {inputs['tag']}",
        )
    else:
        found = [
            item
            for item in client.every("/v2/droplets", "droplets")
            if item["name"] == inputs.get("name")
        ]
        droplet = _one(found, f"droplet with name {inputs.get('name')}")
    return _droplet(droplet) | {"tag": inputs.get("tag")}


def _function(
    name: str, inputs: Properties, call: Callable[[DigitalOcean, State], State]
) -> Function[DigitalOcean]:
    return Function(f"digitalocean:index/{name}:{name}", inputs, call)


NAMED = Property(STRING)
FUNCTIONS = (
    _function("getAccount", {}, _get_account),
    _function(
        "getDroplet",
        {
            "id": Property(INTEGER),
            "name": NAMED,
            "tag": Property(STRING),
            "gpu": Property(BOOLEAN, supported=False),
        },
        _get_droplet,
    ),
    _function(
        "getDroplets",
        {**LISTING, "gpus": Property(BOOLEAN, supported=False)},
        _listing("/v2/droplets", "droplets", _droplet),
    ),
    _function(
        "getImage",
        {
            "id": Property(INTEGER),
            "name": NAMED,
            "slug": Property(STRING),
            "source": Property(STRING),
        },
        _get_image,
    ),
    _function("getImages", LISTING, _listing("/v2/images", "images", _image)),
    _function("getProject", {"id": Property(STRING), "name": NAMED}, _get_project),
    _function("getRegion", {"slug": Property(STRING, required=True)}, _get_region),
    _function("getRegions", LISTING, _listing("/v2/regions", "regions", _region)),
    _function("getSizes", LISTING, _listing("/v2/sizes", "sizes", _size)),
    _function("getSshKey", {"name": Property(STRING, required=True)}, _get_ssh_key),
    _function(
        "getVpc", {"id": Property(STRING), "name": NAMED, "region": Property(STRING)}, _get_vpc
    ),
)
