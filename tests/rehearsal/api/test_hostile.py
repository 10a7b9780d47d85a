"""The API responds to any request without a server error."""

import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dns.zone
import pytest
import requests
from fastapi.routing import APIRoute

from rehearsal.config import CloudConfig
from rehearsal.network import firewalls
from rehearsal.network.dns_answers import Zones
from rehearsal.server import ROUTE_MODULES
from rehearsal.topology import zones
from tests.rehearsal.support import seeding
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.haproxy import render_and_check
from tests.rehearsal.support.machines import WatchedMachines
from tests.rehearsal.support.samples import SSH_KEY

DEEP = 100_000
NUMBERS = [0, -1, 2**31, 2**63, -(2**63), 10**400, 1.5, 1e308]
TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "x" * 100_000,
    "😀",
    "\u202e",
    "ümlaut",
    "٣",
    "9" * 5000,
    "-1",
    "../../etc/passwd",
    "$(touch /tmp/owned)",
    "'; DROP TABLE objects; --",
    "{{.Region}}",
    "fe80::1%lo",
    "%00",
    "\ud800",
]
VALUES: list[Any] = [*NUMBERS, *TEXTS, True, None, [], {}, [[]], [None], [{}], {"": None}]
RAW = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"7",
    b"NaN",
    b'{"name": NaN}',
    b'{"name": "\xff\xfe"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud800"}',
    b"\xff\xfe\x00",
    b"[" * DEEP,
    b'{"name":' * DEEP,
    b'{"name": ' + b"9" * 5000 + b"}",
]
BODIES: dict[str, dict[str, Any]] = {
    "/v2/account/keys": {"name": "mine", "public_key": SSH_KEY},
    "/v2/droplets": {
        "name": "one",
        "names": ["one"],
        "region": "nyc3",
        "size": "s-1vcpu-1gb",
        "image": "debian-12-x64",
        "ssh_keys": [1],
        "tags": ["web"],
        "user_data": "x",
        "vpc_uuid": "",
        "backup_policy": {"plan": "daily", "hour": 0, "weekday": "SUN"},
        "volumes": [{"id": "x"}],
    },
    "/v2/firewalls": {
        "name": "fw",
        "inbound_rules": [
            {
                "protocol": "tcp",
                "ports": "22",
                "sources": {"addresses": ["0.0.0.0/0"], "tags": [], "droplet_ids": []},
            }
        ],
        "droplet_ids": [1],
        "tags": ["web"],
    },
    "/v2/projects": {
        "name": "one",
        "purpose": "Web Application",
        "environment": "staging",
        "description": "x",
    },
    "/v2/projects/default/resources": {"resources": ["do:droplet:1"]},
    "/v2/tags": {"name": "web"},
    "/v2/tags/web/resources": {"resources": [{"resource_id": "1", "resource_type": "droplet"}]},
    "/v2/vpcs": {"name": "one", "region": "nyc3", "ip_range": "10.10.0.0/20", "description": "x"},
    "/v2/droplets/actions?tag_name=web": {
        "type": "snapshot",
        "name": "x",
        "size": "x",
        "image": "x",
        "disk": True,
    },
}
RULE = {
    "protocol": "tcp",
    "ports": "8000-9000",
    "sources": {"addresses": ["192.0.2.1", "2001:db8::1"], "tags": ["web"]},
}
ANSWER = {
    "protocol": "udp",
    "ports": "53",
    "destinations": {"addresses": ["0.0.0.0/0"], "load_balancer_uids": []},
}
CREATIONS: list[tuple[str, dict[str, Any]]] = [
    *(
        (path, body)
        for path, body in BODIES.items()
        if path not in ("/v2/droplets", "/v2/firewalls")
    ),
    ("/v2/droplets", BODIES["/v2/droplets"] | {"ssh_keys": [], "volumes": []}),
    (
        "/v2/firewalls",
        BODIES["/v2/firewalls"]
        | {"droplet_ids": [], "inbound_rules": [RULE], "outbound_rules": [ANSWER]},
    ),
    (
        "/v2/load_balancers",
        {
            "name": "edge",
            "region": "nyc3",
            "tag": "web",
            "forwarding_rules": [{**seeding.HTTP, "certificate_id": "", "tls_passthrough": False}],
            "health_check": {"protocol": "http", "port": 80, "path": "/health"},
            "sticky_sessions": {
                "type": "cookies",
                "cookie_name": "DO-LB",
                "cookie_ttl_seconds": 300,
            },
            "firewall": {
                "allow": ["ip:2001:db8::1", "ip:192.0.2.1"],
                "deny": ["cidr:2001:db8::1", "cidr:192.0.2.0/24"],
            },
            "vpc_uuid": "",
            "project_id": "",
            "domains": [],
            "glb_settings": {},
        },
    ),
    ("/v2/domains", {"name": "example.net", "ip_address": "192.0.2.1"}),
    (
        "/v2/certificates",
        {"name": "one", "type": "lets_encrypt", "dns_names": ["hidden.example.com"]},
    ),
    (
        "/v2/certificates",
        {
            "name": "two",
            "type": "custom",
            "private_key": "x",
            "leaf_certificate": "x",
            "certificate_chain": "x",
        },
    ),
    ("/v2/spaces/keys", {"name": "one", "grants": [{"bucket": "", "permission": "fullaccess"}]}),
    ("/v2/reserved_ips", {"region": "nyc3", "project_id": ""}),
]
"""Bodies with which each creation succeeds."""
REPLACED = ("/v2/firewalls", "/v2/load_balancers")
"""Resources whose update takes the body of a creation."""
RECORD = {
    "name": "www",
    "ttl": 60,
    "priority": 1,
    "port": 1,
    "weight": 1,
    "flags": 0,
    "tag": "issue",
}
RECORDS = [
    {"type": "TXT", "data": "x"},
    {"type": "A", "data": "192.0.2.1"},
    {"type": "AAAA", "data": "2001:db8::1"},
    {"type": "CAA", "data": "ca.example.net."},
    {"type": "CAA", "data": "mailto:me@example.net", "tag": "iodef"},
]
HOSTILE = [
    "\ud800",
    "%x }\n injected\n#",
    "fe80::1%a\nb",
    "\n",
    "\r\n",
    '"',
    "'",
    "{",
    "}",
    "; drop",
    "`id`",
    "$(id)",
    "%[src]",
    "#",
    "\\",
    "\u2028",
    " ",
]
"""Text with a meaning in HAProxy's or nftables' configuration or a zone file, or invalid text."""
ALWAYS, SOMETIMES = 2, 4
"""The number of texts for each route: the first ones, and random others."""
QUERIES = ["page", "per_page", "tag_name", "name", "type", "private", "resource_type"]


def _routes() -> list[tuple[str, str]]:
    routes = (
        route
        for module in ROUTE_MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute)
    )
    return [(method, route.path) for route in routes for method in sorted(route.methods or ())]


def _replacements(body: Any, value: Any) -> Iterator[Any]:
    """Yield the body with the value in each place in turn."""
    yield value
    if isinstance(body, dict):
        for key, inner in body.items():
            yield from ({**body, key: other} for other in _replacements(inner, value))
    elif isinstance(body, list):
        for place, inner in enumerate(body):
            yield from (
                [*body[:place], other, *body[place + 1 :]] for other in _replacements(inner, value)
            )


def _request(
    api: Client, method: str, path: str, data: bytes | None = None, kind: str = "application/json"
) -> requests.Response:
    response = api.http.request(
        method, api.url + path, data=data, headers={"Content-Type": kind}, timeout=20
    )
    request = f"{method} {path[:200]} {(data or b'')[:200]!r}"
    description = f"{request}: {response.status_code} {response.text[:200]}"
    assert response.status_code < 500, description
    if response.status_code >= 400:
        assert {"id", "message"} <= set(response.json()) or "root_causes" in response.json(), (
            description
        )
    return response


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_paths(api: Client, method: str) -> None:
    for text in [str(number) for number in NUMBERS] + TEXTS:
        filling = quote(text[:2000], safe="", errors="surrogatepass") or "%20"
        for _, path in {route for route in _routes() if route[0] == method and "{" in route[1]}:
            _request(api, method, re.sub(r"\{\w+(:\w+)?\}", filling, path), b"{}")


def test_queries(api: Client) -> None:
    for path in {path for method, path in _routes() if method == "GET" and "{" not in path}:
        for text in [str(number) for number in NUMBERS] + TEXTS:
            _request(
                api,
                "GET",
                path
                + "?"
                + "&".join(
                    f"{name}={quote(text[:500], safe='', errors='surrogatepass')}"
                    for name in QUERIES
                ),
            )
            _request(
                api, "GET", f"{path}?page={quote(text[:500], safe='', errors='surrogatepass')}"
            )


@pytest.mark.parametrize("data", RAW, ids=lambda data: repr(data[:20]))
def test_bodies_that_are_not_objects(api: Client, data: bytes) -> None:
    for method, path in _routes():
        if method in ("POST", "PUT", "PATCH"):
            assert _request(api, method, re.sub(r"\{\w+\}", "1", path), data).status_code in (
                400,
                404,
                422,
            )


@pytest.mark.parametrize("path", BODIES)
def test_values(api: Client, path: str) -> None:
    api("POST", "/v2/tags", {"name": "web"}, 201)
    for value in VALUES:
        for body in _replacements(BODIES[path], value):
            _request(api, "POST", path, json.dumps(body).encode())


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/json; charset=latin-1",
    ],
)
def test_content_types(api: Client, kind: str) -> None:
    response = _request(api, "POST", "/v2/projects", b'{"name": "blue", "purpose": "IoT"}', kind)
    assert response.status_code == (201 if kind.startswith("application/json") else 422)


def test_large_bodies_are_refused_without_reading_them(api: Client) -> None:
    large = json.dumps({"name": "x" * 10_000_000}).encode()
    for data in (large, (large[start : start + 65536] for start in range(0, len(large), 65536))):
        response = api.http.post(
            f"{api.url}/v2/droplets",
            data=data,
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert (response.status_code, response.json()["id"]) == (413, "payload_too_large")
    api("GET", "/v2/account")


def test_the_documented_size_of_user_data_fits_with_any_json_escapes(api: Client) -> None:
    api.droplet(user_data="\x01" * 64 * 1024)


def test_hostile_text_in_any_field_breaks_neither_the_api_nor_its_outputs(
    config: CloudConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen, machines = random.Random(5), WatchedMachines(config)
    with running(config, machines, UNLIMITED) as api:
        values = seeding.seed(api)
        api("POST", "/v2/tags", {"name": "web"}, 201)
        bodies = list(_bodies(values))
        assert {(method, path.partition("?")[0]) for method, path, _ in bodies} >= set(
            _taking_bodies()
        )
        for method, path, body in bodies:
            for text in (*HOSTILE[:ALWAYS], *chosen.sample(HOSTILE[ALWAYS:], SOMETIMES)):
                for spoiled in (*_replacements(body, text), *_extensions(body, text)):
                    _request(api, method, seeding.fill(path, values), json.dumps(spoiled).encode())
        domains = api("GET", "/v2/domains?per_page=200")["domains"]
    assert machines.network_state.load_balancers
    assert machines.network_state.droplet_firewalls
    render_and_check(config, machines.network_state, tmp_path)
    rules = firewalls.render(config, machines.network_state)
    subprocess.run(
        ["unshare", "--net", "nft", "--check", "--file", "-"], input=rules, text=True, check=True
    )
    for domain in domains:
        dns.zone.from_text(domain["zone_file"], origin=f"{domain['name']}.", relativize=False)
    records = sum(len(zone.records) for zone in machines.network_state.zones)
    assert records > len(zones.NAMESERVERS) + 1
    Zones(machines.network_state.zones)
    assert "is no record" not in caplog.text


def _taking_bodies() -> Iterator[tuple[str, str]]:
    for module in ROUTE_MODULES:
        for route in module.router.routes:
            if isinstance(route, APIRoute) and route.dependant.body_params:
                yield from (
                    (method, re.sub(r"\{[^}]*\}", "{}", route.path))
                    for method in route.methods or ()
                )


def _bodies(values: seeding.Values) -> Iterator[tuple[str, str, Any]]:
    """Yield each request that has a body, with a body that can succeed."""
    yield from (("POST", path, body) for path, body in CREATIONS)
    creations = {f"{path}/{{}}": body for path, body in CREATIONS if path in REPLACED}
    for (method, path), make in seeding.BODIES.items():
        if path.startswith("/v2/domains/{}/records"):
            yield from ((method, path, RECORD | record) for record in RECORDS)
        elif method in ("PUT", "PATCH"):
            yield method, path, make(values) | creations.get(path, {})
        else:
            yield method, path, make(values)


def _extensions(body: Any, text: str) -> Iterator[Any]:
    """Yield the body with the text appended to each string in turn."""
    if isinstance(body, str):
        yield body + text
    elif isinstance(body, dict):
        for key, inner in body.items():
            yield from ({**body, key: other} for other in _extensions(inner, text))
    elif isinstance(body, list):
        for place, inner in enumerate(body):
            yield from (
                [*body[:place], other, *body[place + 1 :]] for other in _extensions(inner, text)
            )
