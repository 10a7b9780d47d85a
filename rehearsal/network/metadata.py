"""The metadata service at 169.254.169.254. It identifies a droplet by its source address."""

import json
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import unquote, urlsplit

from rehearsal.config import CloudConfig
from rehearsal.topology.network_state_file import NetworkStateFile
from rehearsal.topology.protocol import ANCHOR_NETWORK, Interface, MachineSpec, NetworkState

ROOT = "/metadata/v1"
REQUEST_TIMEOUT_S = 30

VENDOR_DATA = "#cloud-config\ndisable_root: false\nmanage_etc_hosts: false\n"
"""Like DigitalOcean's: without it Debian denies root a login with SSH keys."""

Tree = dict[str, "Tree | str"]
"""A directory of the service: each name is another directory or a text."""


def build_document(config: CloudConfig, droplet: MachineSpec) -> dict[str, Any]:
    """Return ``/metadata/v1.json``, with the keys that cloud-init's DigitalOcean source reads."""
    document: dict[str, Any] = {
        "droplet_id": droplet.id,
        "hostname": droplet.name,
        "vendor_data": VENDOR_DATA,
        "public_keys": droplet.public_keys,
        "region": droplet.region,
        "interfaces": {
            "public": [_public_interface(droplet)],
            "private": [_interface(droplet.private, "private")],
        },
        "floating_ip": _reserved_ip(droplet),
        "reserved_ip": _reserved_ip(droplet),
        "dns": {"nameservers": [str(config.gateway)]},
        "tags": droplet.tags,
        "features": {"dhcp_enabled": False},
    }
    return document | ({"user_data": droplet.user_data} if droplet.user_data else {})


def build_tree(config: CloudConfig, droplet: MachineSpec) -> Tree:
    """Return the same data as ``/metadata/v1/``, with one value per path."""
    return {
        "id": str(droplet.id),
        "hostname": droplet.name,
        "user-data": droplet.user_data,
        "vendor-data": VENDOR_DATA,
        "public-keys": "\n".join(droplet.public_keys),
        "region": droplet.region,
        "interfaces": {
            "private": {"0": _format_interface(_interface(droplet.private, "private"))},
            "public": {"0": _format_interface(_public_interface(droplet))},
        },
        "dns": {"nameservers": str(config.gateway)},
        "floating_ip": _format_values(_reserved_ip(droplet)),
        "reserved_ip": _format_values(_reserved_ip(droplet)),
        "tags": {tag: tag for tag in droplet.tags},
        "features": {"dhcp_enabled": "false"},
    }


def respond(
    config: CloudConfig, network_state: NetworkState, source: IPv4Address, path: str
) -> tuple[int, str, str]:
    """Return status, content type and text of a response; the text of a 301 is its location."""
    droplets = network_state.droplets
    droplet = next((droplet for droplet in droplets if source in droplet.addresses), None)
    if droplet is None:
        return 404, "text/plain", "not found"
    if path == f"{ROOT}.json":
        return 200, "application/json", json.dumps(build_document(config, droplet))
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        return 404, "text/plain", "not found"
    node: Tree | str | None = build_tree(config, droplet)
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


def create_handler(
    config: CloudConfig, network_state: NetworkStateFile
) -> type[BaseHTTPRequestHandler]:
    """Return the request handler class for ``http.server``."""

    class Metadata(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            status, kind, text = respond(
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
            """Log nothing: droplets send many requests."""

    return Metadata


def _public_interface(droplet: MachineSpec) -> dict[str, Any]:
    anchor = {
        "ip_address": str(droplet.anchor.ip),
        "netmask": str(droplet.anchor.netmask),
        "gateway": str(ANCHOR_NETWORK[1]),
    }
    return _interface(droplet.public, "public") | {"anchor_ipv4": anchor}


def _reserved_ip(droplet: MachineSpec) -> dict[str, Any]:
    """Return the reserved IP, which the service also has under its former name, floating IP."""
    return {
        "ipv4": {"active": True, "ip_address": str(droplet.reserved_ip)}
        if droplet.reserved_ip
        else {"active": False}
    }


def _interface(card: Interface, kind: str) -> dict[str, Any]:
    ipv4 = {
        "ip_address": str(card.address),
        "netmask": str(card.network.netmask),
        "gateway": str(card.gateway),
    }
    return {"ipv4": ipv4, "mac": card.mac.lower(), "type": kind}


PATH_NAMES = {"ip_address": "address"}
"""Keys of v1.json that have another name in the tree of paths."""


def _format_values(values: dict[str, Any]) -> Tree:
    return {
        name: _format_values(value) if isinstance(value, dict) else str(value).lower()
        for name, value in values.items()
    }


def _format_interface(interface: dict[str, Any]) -> Tree:
    return {
        PATH_NAMES.get(name, name): _format_interface(value)
        if isinstance(value, dict)
        else str(value)
        for name, value in interface.items()
    }
