"""One object of each kind that a path can name, and a body for each request that needs one.

A route that a new room brings has to be seeded here: the walk in test_isolation.py fails for one that it cannot fill.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.routing import APIRoute

from rehearsal.server import ROUTE_MODULES
from tests.rehearsal.support.client import Client, until

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmVoQRkoWHwTkLAEIZxqXkzPWoxUVSwV2kjdBxR1YHc hidden@example.com"
SSH = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8080}
HTTPS = {"entry_protocol": "tcp", "entry_port": 443, "target_protocol": "tcp", "target_port": 8443}

World = dict[str, Any]
"""Path up to and with a parameter -> what stands there."""


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of everything served, each parameter as ``{}``."""
    for room in ROUTE_MODULES:
        for route in room.router.routes:
            assert isinstance(route, APIRoute)
            yield from (
                (method, re.sub(r"\{[^}]*\}", "{}", route.path))
                for method in sorted(route.methods or ())
            )


def seed(api: Client) -> World:
    """What an account has, settled: one object for each path that a room serves."""
    served = {prefix for _, path in routes() for prefix in prefixes(path)}
    world: World = {}
    for prefix, make in SEEDS.items():
        if prefix in served:
            world[prefix] = make(api, world)
    return world


def prefixes(path: str) -> list[str]:
    """The path up to each of its parameters."""
    return [path[: found.end()] for found in re.finditer(r"\{\}", path)]


def filled(path: str, world: World) -> str:
    """Raises: KeyError for a parameter that nobody seeded."""
    values = iter([world[prefix] for prefix in prefixes(path)])
    return re.sub(r"\{\}", lambda _: str(next(values)), path)


def body(method: str, path: str, world: World) -> Any:
    """What a request must have that could succeed."""
    make = BODIES.get((method, path))
    return make(world) if make else None


def _post(api: Client, path: str, body: dict[str, Any], status: int, name: str) -> Any:
    return api("POST", path, body, status)[name]


def _settled(api: Client, path: str, name: str, field: str, final: str) -> None:
    until(lambda: api("GET", path)[name][field] == final)


def _key(api: Client, world: World) -> Any:
    return _post(
        api, "/v2/account/keys", {"name": "hidden", "public_key": PUBLIC_KEY}, 201, "ssh_key"
    )["id"]


def _tag(api: Client, world: World) -> Any:
    return _post(api, "/v2/tags", {"name": "hidden-tag"}, 201, "tag")["name"]


def _vpc(api: Client, world: World) -> Any:
    return _post(api, "/v2/vpcs", {"name": "hidden", "region": "nyc3"}, 201, "vpc")["id"]


def _droplet(api: Client, world: World) -> Any:
    return api.droplet(
        "hidden",
        vpc_uuid=world["/v2/vpcs/{}"],
        tags=["hidden-tag"],
        ssh_keys=[world["/v2/account/keys/{}"]],
    )["id"]


def _snapshot(name: str) -> Callable[[Client, World], Any]:
    def make(api: Client, world: World) -> Any:
        droplet = world["/v2/droplets/{}"]
        api.act(droplet, type="snapshot", name=name)
        snapshots = api("GET", f"/v2/droplets/{droplet}/snapshots")["snapshots"]
        return next(snapshot["id"] for snapshot in snapshots if snapshot["name"] == name)

    return make


def _droplet_action(api: Client, world: World) -> Any:
    return api.act(world["/v2/droplets/{}"], type="reboot")["id"]


def _image_action(api: Client, world: World) -> Any:
    path = f"/v2/images/{world['/v2/images/{}']}/actions"
    return api.ended(_post(api, path, {"type": "transfer", "region": "ams3"}, 201, "action")["id"])[
        "id"
    ]


def _firewall(api: Client, world: World) -> Any:
    body = {"name": "hidden", "inbound_rules": [SSH], "droplet_ids": [world["/v2/droplets/{}"]]}
    id = _post(api, "/v2/firewalls", body, 202, "firewall")["id"]
    _settled(api, f"/v2/firewalls/{id}", "firewall", "status", "succeeded")
    return id


def _balancer(api: Client, world: World) -> Any:
    body = {
        "name": "hidden",
        "region": "nyc3",
        "vpc_uuid": world["/v2/vpcs/{}"],
        "forwarding_rules": [HTTP, HTTPS],
    }
    id = _post(
        api,
        "/v2/load_balancers",
        body | {"droplet_ids": [world["/v2/droplets/{}"]]},
        202,
        "load_balancer",
    )["id"]
    _settled(api, f"/v2/load_balancers/{id}", "load_balancer", "status", "active")
    return id


def _project(api: Client, world: World) -> Any:
    return _post(api, "/v2/projects", {"name": "hidden", "purpose": "Testing"}, 201, "project")[
        "id"
    ]


def _domain(api: Client, world: World) -> Any:
    return _post(api, "/v2/domains", {"name": "hidden.example.com"}, 201, "domain")["name"]


def _record(api: Client, world: World) -> Any:
    path = f"/v2/domains/{world['/v2/domains/{}']}/records"
    return _post(
        api, path, {"type": "A", "name": "www", "data": "192.0.2.1"}, 201, "domain_record"
    )["id"]


def _certificate(api: Client, world: World) -> Any:
    body = {"name": "hidden", "type": "lets_encrypt", "dns_names": [world["/v2/domains/{}"]]}
    id = _post(api, "/v2/certificates", body, 201, "certificate")["id"]
    _settled(api, f"/v2/certificates/{id}", "certificate", "state", "verified")
    return id


def _spaces_key(api: Client, world: World) -> Any:
    body = {"name": "hidden", "grants": [{"bucket": "hidden", "permission": "read"}]}
    return _post(api, "/v2/spaces/keys", body, 201, "key")["access_key"]


def _reserved_ip(api: Client, world: World) -> Any:
    ip = _post(
        api, "/v2/reserved_ips", {"droplet_id": world["/v2/droplets/{}"]}, 202, "reserved_ip"
    )["ip"]
    until(lambda: not api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"])
    return ip


def _reserved_ip_action(api: Client, world: World) -> Any:
    path = f"/v2/reserved_ips/{world['/v2/reserved_ips/{}']}/actions"
    return api.ended(_post(api, path, {"type": "unassign"}, 201, "action")["id"])["id"]


SEEDS: dict[str, Callable[[Client, World], Any]] = {
    "/v2/account/keys/{}": _key,
    "/v2/tags/{}": _tag,
    "/v2/vpcs/{}": _vpc,
    "/v2/droplets/{}": _droplet,
    "/v2/droplets/{}/actions/{}": _droplet_action,
    "/v2/actions/{}": _droplet_action,
    "/v2/images/{}": _snapshot("hidden-image"),
    "/v2/images/{}/actions/{}": _image_action,
    "/v2/snapshots/{}": _snapshot("hidden-snapshot"),
    "/v2/firewalls/{}": _firewall,
    "/v2/load_balancers/{}": _balancer,
    "/v2/projects/{}": _project,
    "/v2/domains/{}": _domain,
    "/v2/domains/{}/records/{}": _record,
    "/v2/certificates/{}": _certificate,
    "/v2/spaces/keys/{}": _spaces_key,
    "/v2/reserved_ips/{}": _reserved_ip,
    "/v2/reserved_ips/{}/actions/{}": _reserved_ip_action,
}
"""In an order in which each finds what it needs."""


def _of(**fields: Any) -> Callable[[World], Any]:
    return lambda world: fields


def _the_droplet(world: World) -> Any:
    return {"droplet_ids": [world["/v2/droplets/{}"]]}


def _tagged(world: World) -> Any:
    return {
        "resources": [{"resource_id": str(world["/v2/droplets/{}"]), "resource_type": "droplet"}]
    }


def _owned(world: World) -> Any:
    return {"resources": [f"do:droplet:{world['/v2/droplets/{}']}"]}


def _balanced(world: World) -> Any:
    return {
        "name": "hidden",
        "region": "nyc3",
        "vpc_uuid": world["/v2/vpcs/{}"],
        "forwarding_rules": [HTTP, HTTPS],
    }


_RENAMED = _of(name="renamed")
_PROJECT = _of(
    name="renamed", description="", purpose="Testing", environment="Staging", is_default=False
)
_RULES = _of(inbound_rules=[SSH])

BODIES: dict[tuple[str, str], Callable[[World], Any]] = {
    ("PUT", "/v2/account/keys/{}"): _RENAMED,
    ("POST", "/v2/tags/{}/resources"): _tagged,
    ("DELETE", "/v2/tags/{}/resources"): _tagged,
    ("PUT", "/v2/vpcs/{}"): _RENAMED,
    ("PATCH", "/v2/vpcs/{}"): _RENAMED,
    ("POST", "/v2/droplets/{}/actions"): _of(type="rename", name="renamed"),
    ("PUT", "/v2/images/{}"): _RENAMED,
    ("POST", "/v2/images/{}/actions"): _of(type="transfer", region="fra1"),
    ("PUT", "/v2/firewalls/{}"): _of(name="renamed", inbound_rules=[SSH]),
    ("POST", "/v2/firewalls/{}/droplets"): _the_droplet,
    ("DELETE", "/v2/firewalls/{}/droplets"): _the_droplet,
    ("POST", "/v2/firewalls/{}/tags"): _of(tags=["hidden-tag"]),
    ("DELETE", "/v2/firewalls/{}/tags"): _of(tags=["hidden-tag"]),
    ("POST", "/v2/firewalls/{}/rules"): _RULES,
    ("DELETE", "/v2/firewalls/{}/rules"): _RULES,
    ("PUT", "/v2/load_balancers/{}"): _balanced,
    ("POST", "/v2/load_balancers/{}/droplets"): _the_droplet,
    ("DELETE", "/v2/load_balancers/{}/droplets"): _the_droplet,
    ("POST", "/v2/load_balancers/{}/forwarding_rules"): _of(
        forwarding_rules=[HTTP | {"entry_port": 81}]
    ),
    ("DELETE", "/v2/load_balancers/{}/forwarding_rules"): _of(forwarding_rules=[HTTP]),
    ("PUT", "/v2/projects/{}"): _PROJECT,
    ("PATCH", "/v2/projects/{}"): _RENAMED,
    ("POST", "/v2/projects/{}/resources"): _owned,
    ("POST", "/v2/domains/{}/records"): _of(type="A", name="more", data="192.0.2.2"),
    ("PUT", "/v2/domains/{}/records/{}"): _of(type="A", name="renamed"),
    ("PATCH", "/v2/domains/{}/records/{}"): _of(type="A", name="renamed"),
    ("PUT", "/v2/spaces/keys/{}"): _RENAMED,
    ("PATCH", "/v2/spaces/keys/{}"): _RENAMED,
    ("POST", "/v2/reserved_ips/{}/actions"): _of(type="unassign"),
}
