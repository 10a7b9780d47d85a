"""One object for each path parameter of the API, and a body for each request that needs one.

test_isolation.py fails for a new route whose parameters or body are missing here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.routing import APIRoute

from rehearsal.server import ROUTE_MODULES
from tests.rehearsal.support.client import Client, until

PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmVoQRkoWHwTkLAEIZxqXkzPWoxUVSwV2kjdBxR1YHc "
    "hidden@example.com"
)
SSH = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8080}
HTTPS = {"entry_protocol": "tcp", "entry_port": 443, "target_protocol": "tcp", "target_port": 8443}

Values = dict[str, Any]
"""Path up to and including a parameter -> the parameter's value."""


def routes() -> Iterator[tuple[str, str]]:
    """Yield the method and path of each route, with each parameter as ``{}``."""
    for module in ROUTE_MODULES:
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            yield from (
                (method, re.sub(r"\{[^}]*\}", "{}", route.path))
                for method in sorted(route.methods or ())
            )


def seed(api: Client) -> Values:
    """Create one object for each path parameter, and wait until all are ready."""
    used = {prefix for _, path in routes() for prefix in prefixes(path)}
    values: Values = {}
    for prefix, create in SEEDS.items():
        if prefix in used:
            values[prefix] = create(api, values)
    return values


def prefixes(path: str) -> list[str]:
    """Return the path up to each of its parameters."""
    return [path[: match.end()] for match in re.finditer(r"\{\}", path)]


def fill(path: str, values: Values) -> str:
    """Return the path with the values of its parameters.

    Raises:
        KeyError: a parameter has no value.
    """
    remaining = iter([values[prefix] for prefix in prefixes(path)])
    return re.sub(r"\{\}", lambda _: str(next(remaining)), path)


def body(method: str, path: str, values: Values) -> Any:
    """Return the body with which a request can succeed."""
    build = BODIES.get((method, path))
    return build(values) if build else None


def _post(api: Client, path: str, body: dict[str, Any], status: int, name: str) -> Any:
    return api("POST", path, body, status)[name]


def _wait_for(api: Client, path: str, name: str, field: str, final: str) -> None:
    until(lambda: api("GET", path)[name][field] == final)


def _key(api: Client, values: Values) -> Any:
    return _post(
        api, "/v2/account/keys", {"name": "hidden", "public_key": PUBLIC_KEY}, 201, "ssh_key"
    )["id"]


def _tag(api: Client, values: Values) -> Any:
    return _post(api, "/v2/tags", {"name": "hidden-tag"}, 201, "tag")["name"]


def _vpc(api: Client, values: Values) -> Any:
    return _post(api, "/v2/vpcs", {"name": "hidden", "region": "nyc3"}, 201, "vpc")["id"]


def _droplet(api: Client, values: Values) -> Any:
    return api.droplet(
        "hidden",
        vpc_uuid=values["/v2/vpcs/{}"],
        tags=["hidden-tag"],
        ssh_keys=[values["/v2/account/keys/{}"]],
    )["id"]


def _snapshot(name: str) -> Callable[[Client, Values], Any]:
    def create(api: Client, values: Values) -> Any:
        droplet = values["/v2/droplets/{}"]
        api.run_action(droplet, type="snapshot", name=name)
        snapshots = api("GET", f"/v2/droplets/{droplet}/snapshots")["snapshots"]
        return next(snapshot["id"] for snapshot in snapshots if snapshot["name"] == name)

    return create


def _droplet_action(api: Client, values: Values) -> Any:
    return api.run_action(values["/v2/droplets/{}"], type="reboot")["id"]


def _image_action(api: Client, values: Values) -> Any:
    path = f"/v2/images/{values['/v2/images/{}']}/actions"
    return api.wait_for_action(
        _post(api, path, {"type": "transfer", "region": "ams3"}, 201, "action")["id"]
    )["id"]


def _firewall(api: Client, values: Values) -> Any:
    body = {"name": "hidden", "inbound_rules": [SSH], "droplet_ids": [values["/v2/droplets/{}"]]}
    id = _post(api, "/v2/firewalls", body, 202, "firewall")["id"]
    _wait_for(api, f"/v2/firewalls/{id}", "firewall", "status", "succeeded")
    return id


def _balancer(api: Client, values: Values) -> Any:
    body = {
        "name": "hidden",
        "region": "nyc3",
        "vpc_uuid": values["/v2/vpcs/{}"],
        "forwarding_rules": [HTTP, HTTPS],
    }
    id = _post(
        api,
        "/v2/load_balancers",
        body | {"droplet_ids": [values["/v2/droplets/{}"]]},
        202,
        "load_balancer",
    )["id"]
    _wait_for(api, f"/v2/load_balancers/{id}", "load_balancer", "status", "active")
    return id


def _project(api: Client, values: Values) -> Any:
    return _post(api, "/v2/projects", {"name": "hidden", "purpose": "Testing"}, 201, "project")[
        "id"
    ]


def _domain(api: Client, values: Values) -> Any:
    return _post(api, "/v2/domains", {"name": "hidden.example.com"}, 201, "domain")["name"]


def _record(api: Client, values: Values) -> Any:
    path = f"/v2/domains/{values['/v2/domains/{}']}/records"
    return _post(
        api, path, {"type": "A", "name": "www", "data": "192.0.2.1"}, 201, "domain_record"
    )["id"]


def _certificate(api: Client, values: Values) -> Any:
    body = {"name": "hidden", "type": "lets_encrypt", "dns_names": [values["/v2/domains/{}"]]}
    id = _post(api, "/v2/certificates", body, 201, "certificate")["id"]
    _wait_for(api, f"/v2/certificates/{id}", "certificate", "state", "verified")
    return id


def _spaces_key(api: Client, values: Values) -> Any:
    body = {"name": "hidden", "grants": [{"bucket": "hidden", "permission": "read"}]}
    return _post(api, "/v2/spaces/keys", body, 201, "key")["access_key"]


def _reserved_ip(api: Client, values: Values) -> Any:
    ip = _post(
        api, "/v2/reserved_ips", {"droplet_id": values["/v2/droplets/{}"]}, 202, "reserved_ip"
    )["ip"]
    until(lambda: not api("GET", f"/v2/reserved_ips/{ip}")["reserved_ip"]["locked"])
    return ip


def _reserved_ip_action(api: Client, values: Values) -> Any:
    path = f"/v2/reserved_ips/{values['/v2/reserved_ips/{}']}/actions"
    return api.wait_for_action(_post(api, path, {"type": "unassign"}, 201, "action")["id"])["id"]


SEEDS: dict[str, Callable[[Client, Values], Any]] = {
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
"""Each entry needs only earlier entries."""


def _constant(**fields: Any) -> Callable[[Values], Any]:
    return lambda values: fields


def _droplet_ids(values: Values) -> Any:
    return {"droplet_ids": [values["/v2/droplets/{}"]]}


def _tag_resources(values: Values) -> Any:
    return {
        "resources": [{"resource_id": str(values["/v2/droplets/{}"]), "resource_type": "droplet"}]
    }


def _project_resources(values: Values) -> Any:
    return {"resources": [f"do:droplet:{values['/v2/droplets/{}']}"]}


def _load_balancer_body(values: Values) -> Any:
    return {
        "name": "hidden",
        "region": "nyc3",
        "vpc_uuid": values["/v2/vpcs/{}"],
        "forwarding_rules": [HTTP, HTTPS],
    }


_NEW_NAME = _constant(name="renamed")
_PROJECT = _constant(
    name="renamed", description="", purpose="Testing", environment="Staging", is_default=False
)
_RULES = _constant(inbound_rules=[SSH])

BODIES: dict[tuple[str, str], Callable[[Values], Any]] = {
    ("PUT", "/v2/account/keys/{}"): _NEW_NAME,
    ("POST", "/v2/tags/{}/resources"): _tag_resources,
    ("DELETE", "/v2/tags/{}/resources"): _tag_resources,
    ("PUT", "/v2/vpcs/{}"): _NEW_NAME,
    ("PATCH", "/v2/vpcs/{}"): _NEW_NAME,
    ("POST", "/v2/droplets/{}/actions"): _constant(type="rename", name="renamed"),
    ("PUT", "/v2/images/{}"): _NEW_NAME,
    ("POST", "/v2/images/{}/actions"): _constant(type="transfer", region="fra1"),
    ("PUT", "/v2/firewalls/{}"): _constant(name="renamed", inbound_rules=[SSH]),
    ("POST", "/v2/firewalls/{}/droplets"): _droplet_ids,
    ("DELETE", "/v2/firewalls/{}/droplets"): _droplet_ids,
    ("POST", "/v2/firewalls/{}/tags"): _constant(tags=["hidden-tag"]),
    ("DELETE", "/v2/firewalls/{}/tags"): _constant(tags=["hidden-tag"]),
    ("POST", "/v2/firewalls/{}/rules"): _RULES,
    ("DELETE", "/v2/firewalls/{}/rules"): _RULES,
    ("PUT", "/v2/load_balancers/{}"): _load_balancer_body,
    ("POST", "/v2/load_balancers/{}/droplets"): _droplet_ids,
    ("DELETE", "/v2/load_balancers/{}/droplets"): _droplet_ids,
    ("POST", "/v2/load_balancers/{}/forwarding_rules"): _constant(
        forwarding_rules=[HTTP | {"entry_port": 81}]
    ),
    ("DELETE", "/v2/load_balancers/{}/forwarding_rules"): _constant(forwarding_rules=[HTTP]),
    ("PUT", "/v2/projects/{}"): _PROJECT,
    ("PATCH", "/v2/projects/{}"): _NEW_NAME,
    ("POST", "/v2/projects/{}/resources"): _project_resources,
    ("POST", "/v2/domains/{}/records"): _constant(type="A", name="more", data="192.0.2.2"),
    ("PUT", "/v2/domains/{}/records/{}"): _constant(type="A", name="renamed"),
    ("PATCH", "/v2/domains/{}/records/{}"): _constant(type="A", name="renamed"),
    ("PUT", "/v2/spaces/keys/{}"): _NEW_NAME,
    ("PATCH", "/v2/spaces/keys/{}"): _NEW_NAME,
    ("POST", "/v2/reserved_ips/{}/actions"): _constant(type="unassign"),
}
