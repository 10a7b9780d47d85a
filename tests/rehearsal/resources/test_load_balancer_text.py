"""Text in requests changes no structure of HAProxy's configuration."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.network.haproxy import render
from rehearsal.topology.protocol import ForwardingRule
from tests.rehearsal.support.client import UNLIMITED, Client, running, until
from tests.rehearsal.support.haproxy import render_and_check
from tests.rehearsal.support.issuing import issue
from tests.rehearsal.support.machines import WatchedMachines

HOSTILE = [
    "\nglobal\n  user root",
    "\r\n  http-request return status 200",
    "\\\n  server evil 192.0.2.1:80",
    " ver HTTP/1.1 hdr X-Evil yes",
    "\tbody evil",
    "' 'x",
    '" "x',
    "$HOME${HOME}",
    "# rest",
    "\\",
    "%[src]",
    "%[env(HOME)]",
    "{ src 0.0.0.0/0 }",
    "; reload",
    "`id`$(id)",
    "../../authority/authority",
    "\x00",
    "\x1b[2J",
    "é€😀",
    "\u2028\u2029\x85",
    "if TRUE",
    "% }\n  http-request return status 200\n#",
]
ZONED = "fe80::1%x }\n injected\n#"
HTTP = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8085}
ABSENT = "892071a0-bb95-49bc-8021-3afd67a210bf"


@pytest.fixture
def machines(config: CloudConfig) -> WatchedMachines:
    return WatchedMachines(config)


@pytest.fixture
def api(config: CloudConfig, machines: WatchedMachines) -> Iterator[Client]:
    with running(config, machines, UNLIMITED) as client:
        yield client


def _body(api: Client, text: str = "") -> dict[str, Any]:
    """Return a load balancer with all fields, and ``text`` wherever text is allowed."""
    certificate = {"name": f"web{text}", "type": "custom"} | issue(
        f"one{text}"[:60], "www.example.com"
    ).upload
    id = api("POST", "/v2/certificates", certificate, 201)["certificate"]["id"]
    rules = [
        {
            "entry_protocol": "http",
            "entry_port": 80,
            "target_protocol": "http",
            "target_port": 8085,
        },
        {
            "entry_protocol": "https",
            "entry_port": 443,
            "target_protocol": "http2",
            "target_port": 8085,
            "certificate_id": id,
        },
        {"entry_protocol": "tcp", "entry_port": 81, "target_protocol": "tcp", "target_port": 8085},
    ]
    return {
        "name": "edge",
        "region": "nyc3",
        "droplet_ids": [api.droplet()["id"]],
        "forwarding_rules": rules,
        "health_check": {"path": f"/health{text}"},
        "sticky_sessions": {"type": "cookies", "cookie_name": "DO-LB", "cookie_ttl_seconds": 300},
        "firewall": {
            "allow": ["ip:192.0.2.1", "cidr:2001:db8::/32"],
            "deny": ["cidr:192.0.2.0/24"],
        },
        "redirect_http_to_https": True,
        "enable_proxy_protocol": True,
        "tls_cipher_policy": "STRONG",
        "http_idle_timeout_seconds": 90,
    }


def _create(api: Client, body: dict[str, Any]) -> None:
    path = (
        f"/v2/load_balancers/{api('POST', '/v2/load_balancers', body, 202)['load_balancer']['id']}"
    )
    until(lambda: api("GET", path)["load_balancer"]["status"] == "active")


def _structure(text: str) -> list[str]:
    """Return the lines without ids, addresses and paths, which differ between load balancers."""
    plain = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    return re.sub(
        r"uri \S+ ver", "uri PATH ver", re.sub(r"(198\.18|10)(\.\d+){2,3}", "ADDRESS", plain)
    ).split("\n")


def _check_structure(hostile: str, plain: str) -> None:
    assert _structure(hostile) == _structure(plain)
    assert hostile.isascii()
    assert not re.search(
        r"[\0-\x09\x0b-\x1f\x7f\\\"'#$`{}\[\]]",
        re.search(r"uri (\S+) ver", hostile)[1],  # type: ignore[index]
    )


def test_text_adds_no_line_to_the_configuration(
    api: Client, config: CloudConfig, machines: WatchedMachines, tmp_path: Path
) -> None:
    _create(api, _body(api))
    plain = render_and_check(config, machines.network_state, tmp_path)
    (created,) = api("GET", "/v2/load_balancers")["load_balancers"]
    for text in HOSTILE:
        changed = _body(api, text) | {"droplet_ids": created["droplet_ids"]}
        api("PUT", f"/v2/load_balancers/{created['id']}", changed)
        _check_structure(render_and_check(config, machines.network_state, tmp_path), plain)


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "cookie",
        "allow",
        "deny",
        "certificate",
        "tag",
        "vpc_uuid",
        "region",
        "algorithm",
        "tls_cipher_policy",
        "project_id",
    ],
)
def test_invalid_text_is_refused(
    api: Client, machines: WatchedMachines, config: CloudConfig, field: str
) -> None:
    for text in HOSTILE:
        api.error_message("POST", "/v2/load_balancers", _hostile(field, text))
    assert machines.network_state.load_balancers == []
    assert not (config.directory / "certificates").exists()


def _hostile(field: str, text: str) -> dict[str, Any]:
    body: dict[str, Any] = {"name": "edge", "region": "nyc3", "tag": "web"}
    rule = {
        "entry_protocol": "https",
        "entry_port": 443,
        "target_protocol": "http",
        "target_port": 80,
    }
    body["forwarding_rules"] = [rule | {"entry_protocol": "http"}]
    changes: dict[str, dict[str, Any]] = {
        "name": {"name": f"edge{text}"},
        "cookie": {
            "sticky_sessions": {
                "type": "cookies",
                "cookie_name": f"LB{text}",
                "cookie_ttl_seconds": 1,
            }
        },
        "allow": {"firewall": {"allow": [f"ip:2001:db8::1{text}"]}},
        "deny": {"firewall": {"deny": [f"cidr:2001:db8::1{text}"]}},
        "certificate": {"forwarding_rules": [rule | {"certificate_id": f"{ABSENT}{text}"}]},
    }
    return body | changes.get(field, {field: f"{body.get(field, '')}{text}"})


@pytest.mark.parametrize("name", ["LB%20", "LB+x", "a&b", "*!~._-"])
def test_an_unusual_cookie_name_is_written_unchanged(
    api: Client, config: CloudConfig, machines: WatchedMachines, tmp_path: Path, name: str
) -> None:
    _create(
        api,
        _body(api)
        | {"sticky_sessions": {"type": "cookies", "cookie_name": name, "cookie_ttl_seconds": 1}},
    )
    text = render_and_check(config, machines.network_state, tmp_path)
    words = {tuple(line.split()[1:]) for line in text.split("\n") if line.startswith("  cookie ")}
    assert words == {(name, "insert", "indirect", "nocache", "dynamic", "attr", '"Max-Age=1"')}


@pytest.mark.parametrize("name", ["$LB", "`LB`", "a'b", "LB|x", "$(id)", "LB#x", "LB^x"])
def test_a_cookie_name_with_special_characters_is_refused(api: Client, name: str) -> None:
    sticky = {"type": "cookies", "cookie_name": name, "cookie_ttl_seconds": 1}
    body = {
        "name": "edge",
        "region": "nyc3",
        "tag": "web",
        "forwarding_rules": [HTTP],
        "sticky_sessions": sticky,
    }
    assert "cookie_name" in api.error_message("POST", "/v2/load_balancers", body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allow", [IPv6Network(ZONED)]),
        ("deny", [IPv6Network(ZONED)]),
        ("deny", [IPv6Network("fe80::1%eth0")]),
        ("sticky_cookie", "LB x"),
        ("sticky_cookie", "LB\nglobal"),
        ("sticky_cookie", "$HOME"),
        (
            "forwarding_rules",
            [
                ForwardingRule(
                    entry_protocol="https",
                    entry_port=443,
                    target_protocol="http",
                    target_port=80,
                    certificate_id="a b",
                )
            ],
        ),
    ],
)
def test_values_that_are_not_one_word_are_never_written(
    api: Client, config: CloudConfig, machines: WatchedMachines, field: str, value: object
) -> None:
    """The last defence, if validation of a request misses a value."""
    _create(api, {"name": "edge", "region": "nyc3", "tag": "web", "forwarding_rules": [HTTP]})
    (sound,) = machines.network_state.load_balancers
    assert render(config, sound)
    changed = sound.model_copy(update={field: value})
    with pytest.raises(ValueError, match="cannot be a word"):
        render(config, changed)
