"""The metadata service: what a droplet may know of itself, at 169.254.169.254, told apart by its source address."""

import json
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import unquote, urlsplit

from rehearsal.config import CloudConfig
from rehearsal.topology.network_state_file import NetworkStateFile
from rehearsal.topology.protocol import ANCHOR_NETWORK, Interface, MachineSpec, NetworkState

ROOT = "/metadata/v1"

VENDOR_DATA = "#cloud-config\ndisable_root: false\nmanage_etc_hosts: false\n"
"""As DigitalOcean's: without it Debian forbids root to log in with the keys."""

Tree = dict[str, "Tree | str"]
"""A directory of the service: names to directories and texts."""


def document(config: CloudConfig, droplet: MachineSpec) -> dict[str, Any]:
    """``/metadata/v1.json``, with the keys that cloud-init's DigitalOcean source reads."""
    found: dict[str, Any] = {
        "droplet_id": droplet.id,
        "hostname": droplet.name,
        "vendor_data": VENDOR_DATA,
        "public_keys": droplet.public_keys,
        "region": droplet.region,
        "interfaces": {
            "public": [_public(droplet)],
            "private": [_interface(droplet.private, "private")],
        },
        "floating_ip": _reserved(droplet),
        "reserved_ip": _reserved(droplet),
        "dns": {"nameservers": [str(config.gateway)]},
        "tags": droplet.tags,
        "features": {"dhcp_enabled": False},
    }
    return found | ({"user_data": droplet.user_data} if droplet.user_data else {})


def tree(config: CloudConfig, droplet: MachineSpec) -> Tree:
    """The same facts as ``/metadata/v1/`` lays them out, one value a path."""
    return {
        "id": str(droplet.id),
        "hostname": droplet.name,
        "user-data": droplet.user_data,
        "vendor-data": VENDOR_DATA,
        "public-keys": "\n".join(droplet.public_keys),
        "region": droplet.region,
        "interfaces": {
            "private": {"0": _branch(_interface(droplet.private, "private"))},
            "public": {"0": _branch(_public(droplet))},
        },
        "dns": {"nameservers": str(config.gateway)},
        "floating_ip": _texts(_reserved(droplet)),
        "reserved_ip": _texts(_reserved(droplet)),
        "tags": {tag: tag for tag in droplet.tags},
        "features": {"dhcp_enabled": "false"},
    }


def answer(
    config: CloudConfig, network_state: NetworkState, source: IPv4Address, path: str
) -> tuple[int, str, str]:
    """Status, content type and text for a droplet's request; the text of a 301 is where to go."""
    droplet = next((one for one in network_state.droplets if source in one.addresses), None)
    if droplet is None:
        return 404, "text/plain", "not found"
    if path == f"{ROOT}.json":
        return 200, "application/json", json.dumps(document(config, droplet))
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        return 404, "text/plain", "not found"
    node: Tree | str | None = tree(config, droplet)
    for name in path.removeprefix(ROOT).split("/"):
        if name and node is not None:
            node = node.get(unquote(name)) if isinstance(node, dict) else None
    if node is None or (isinstance(node, str) and path.endswith("/")):
        return 404, "text/plain", "not found"
    if isinstance(node, str):
        return 200, "text/plain", node
    if not path.endswith("/"):
        return 301, "text/plain", f"{path}/"
    return (
        200,
        "text/plain",
        "\n".join(f"{name}/" if isinstance(child, dict) else name for name, child in node.items()),
    )


def handler(config: CloudConfig, network_state: NetworkStateFile) -> type[BaseHTTPRequestHandler]:
    """The class of requests for ``http.server``."""

    class Metadata(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            status, kind, text = answer(
                config,
                network_state.current(),
                IPv4Address(self.client_address[0]),
                urlsplit(self.path).path,
            )
            body = b"" if status == 301 else text.encode()
            self.send_response(status)
            if status == 301:
                self.send_header("Location", text)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: droplets ask all the time."""

    return Metadata


def _public(droplet: MachineSpec) -> dict[str, Any]:
    anchor = {
        "ip_address": str(droplet.anchor.ip),
        "netmask": str(droplet.anchor.netmask),
        "gateway": str(ANCHOR_NETWORK[1]),
    }
    return _interface(droplet.public, "public") | {"anchor_ipv4": anchor}


def _reserved(droplet: MachineSpec) -> dict[str, Any]:
    """Two services of the same facts: reserved addresses were once called floating."""
    return {
        "ipv4": {"active": True, "ip_address": str(droplet.reserved_ip)}
        if droplet.reserved_ip
        else {"active": False}
    }


def _interface(card: Interface, kind: str) -> dict[str, Any]:
    gateway = {
        "ip_address": str(card.address),
        "netmask": str(card.network.netmask),
        "gateway": str(card.gateway),
    }
    return {"ipv4": gateway, "mac": card.mac.lower(), "type": kind}


PATH_NAMES = {"ip_address": "address"}
"""What v1.json and the tree of paths call by different names."""


def _texts(facts: dict[str, Any]) -> Tree:
    return {
        name: _texts(value) if isinstance(value, dict) else str(value).lower()
        for name, value in facts.items()
    }


def _branch(facts: dict[str, Any]) -> Tree:
    return {
        PATH_NAMES.get(name, name): _branch(value) if isinstance(value, dict) else str(value)
        for name, value in facts.items()
    }
