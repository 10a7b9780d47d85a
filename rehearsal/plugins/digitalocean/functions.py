"""Functions (data sources) of the DigitalOcean provider."""

from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.function_results import (
    droplet_properties,
    image_properties,
    region_properties,
    size_properties,
)
from rehearsal.plugins.digitalocean.list_functions import LIST_INPUTS, list_function
from rehearsal.plugins.digitalocean.project import resource_urns
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import BOOLEAN, INTEGER, STRING, Properties, Property, State
from rehearsal.plugins.resource import Function


def _find_only(
    client: DigitalOcean,
    path: str,
    key: str,
    what: str,
    *,
    query: Mapping[str, str] | None = None,
    **fields: Any,
) -> Any:
    """Return the only object of a list whose fields have the given values.

    Raises:
        PluginError: no object or several objects match.
    """
    matches = [
        item
        for item in client.list_all(path, key, query)
        if all(item[field] == value for field, value in fields.items())
    ]
    if not matches:
        raise PluginError(f"no {what} found")
    if len(matches) > 1:
        raise PluginError(f"too many {what}s found (found {len(matches)}, expected 1)")
    return matches[0]


def _get_region(client: DigitalOcean, inputs: State) -> State:
    slug = inputs["slug"]
    what = f"region with slug {slug}"
    region = _find_only(client, "/v2/regions", "regions", what, slug=slug.lower())
    return region_properties(region) | {"id": region["slug"]}


def _get_image(client: DigitalOcean, inputs: State) -> State:
    id_or_slug, name = inputs.get("id") or inputs.get("slug"), inputs.get("name")
    if id_or_slug:
        image = client.call("GET", f"/v2/images/{id_or_slug}")["image"]
    elif name:
        queries = {
            "all": {},
            "applications": {"type": "application"},
            "distributions": {"type": "distribution"},
        }
        query = queries.get(inputs.get("source") or "user", {"private": "true"})
        what = f"image with name {name}"
        image = _find_only(client, "/v2/images", "images", what, query=query, name=name)
    else:
        raise PluginError("one of `id`, `name`, or `slug` must be assigned")
    return image_properties(image) | {"source": inputs.get("source")}


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
    name, region = inputs.get("name"), inputs.get("region")
    if inputs.get("id"):
        vpc = client.call("GET", f"/v2/vpcs/{inputs['id']}")["vpc"]
    elif name:
        vpc = _find_only(client, "/v2/vpcs", "vpcs", f"VPC with name {name}", name=name)
    else:
        what = f"default VPC in region {region}"
        vpc = _find_only(client, "/v2/vpcs", "vpcs", what, default=True, region=region)
    same = {
        key: vpc.get(key, "") for key in ("id", "name", "region", "description", "urn", "default")
    }
    return same | {"ipRange": vpc["ip_range"], "createdAt": vpc["created_at"]}


def _get_ssh_key(client: DigitalOcean, inputs: State) -> State:
    name = inputs["name"]
    what = f"ssh key with name {name}"
    key = _find_only(client, "/v2/account/keys", "ssh_keys", what, name=name)
    return {
        "id": key["id"],
        "name": key["name"],
        "fingerprint": key["fingerprint"],
        "publicKey": key["public_key"],
    }


def _get_project(client: DigitalOcean, inputs: State) -> State:
    name = inputs.get("name")
    if inputs.get("id"):
        project = client.call("GET", f"/v2/projects/{inputs['id']}")["project"]
    elif name:
        what = f"project with name {name}"
        project = _find_only(client, "/v2/projects", "projects", what, name=name)
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
        "resources": resource_urns(client, project["id"]),
    }


def _get_droplet(client: DigitalOcean, inputs: State) -> State:
    path, name, tag = "/v2/droplets", inputs.get("name"), inputs.get("tag")
    if inputs.get("id"):
        droplet = client.call("GET", f"{path}/{inputs['id']}")["droplet"]
    elif tag:
        query = {"tag_name": tag}
        droplet = _find_only(client, path, "droplets", f"droplet with tag {tag}", query=query)
    else:
        droplet = _find_only(client, path, "droplets", f"droplet with name {name}", name=name)
    return droplet_properties(droplet) | {"tag": tag}


def _function(
    name: str, inputs: Properties, call: Callable[[DigitalOcean, State], State]
) -> Function[DigitalOcean]:
    return Function(f"digitalocean:index/{name}:{name}", inputs, call)


FUNCTIONS = (
    _function("getAccount", {}, _get_account),
    _function(
        "getDroplet",
        {
            "id": Property(INTEGER),
            "name": Property(STRING),
            "tag": Property(STRING),
            "gpu": Property(BOOLEAN, supported=False),
        },
        _get_droplet,
    ),
    _function(
        "getDroplets",
        {**LIST_INPUTS, "gpus": Property(BOOLEAN, supported=False)},
        list_function("/v2/droplets", "droplets", droplet_properties),
    ),
    _function(
        "getImage",
        {
            "id": Property(INTEGER),
            "name": Property(STRING),
            "slug": Property(STRING),
            "source": Property(STRING),
        },
        _get_image,
    ),
    _function("getImages", LIST_INPUTS, list_function("/v2/images", "images", image_properties)),
    _function("getProject", {"id": Property(STRING), "name": Property(STRING)}, _get_project),
    _function("getRegion", {"slug": Property(STRING, required=True)}, _get_region),
    _function(
        "getRegions", LIST_INPUTS, list_function("/v2/regions", "regions", region_properties)
    ),
    _function("getSizes", LIST_INPUTS, list_function("/v2/sizes", "sizes", size_properties)),
    _function("getSshKey", {"name": Property(STRING, required=True)}, _get_ssh_key),
    _function(
        "getVpc",
        {"id": Property(STRING), "name": Property(STRING), "region": Property(STRING)},
        _get_vpc,
    ),
)
