"""Realistic request bodies by operation id of the specification."""

import random
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from tests.rehearsal.conformance.certificate import generate_public_key, issue_certificate
from tests.rehearsal.conformance.identifiers import Identifiers

Sample = Callable[[random.Random, Identifiers], Any]

REGIONS = ["nyc3", "nyc3", "nyc3", "fra1"]
SIZES = ["s-1vcpu-1gb", "s-2vcpu-2gb", "s-2vcpu-4gb"]
ACTIONS = [
    {"type": "power_off"},
    {"type": "power_on"},
    {"type": "shutdown"},
    {"type": "reboot"},
    {"type": "power_cycle"},
    {"type": "password_reset"},
    {"type": "enable_ipv6"},
    {"type": "disable_backups"},
    {"type": "enable_backups"},
    {"type": "enable_backups", "backup_policy": {"plan": "daily", "hour": 4}},
    {
        "type": "change_backup_policy",
        "backup_policy": {"plan": "weekly", "weekday": "MON", "hour": 20},
    },
    {"type": "rename", "name": "renamed.example"},
    {"type": "snapshot", "name": "kept"},
    {"type": "rebuild", "image": "debian-12-x64"},
    {"type": "resize", "size": "s-2vcpu-4gb", "disk": True},
    {"type": "resize", "size": "s-2vcpu-2gb"},
]


def _name(rng: random.Random) -> str:
    return f"n{rng.randrange(10**6)}"


def _droplet(rng: random.Random, identifiers: Identifiers) -> Any:
    body: dict[str, Any] = {
        "region": rng.choice(REGIONS),
        "size": rng.choice(SIZES),
        "image": "debian-12-x64",
    }
    body |= {"names": [_name(rng), _name(rng)]} if rng.random() < 0.2 else {"name": _name(rng)}
    if rng.random() < 0.5:
        body |= {
            "tags": identifiers.some("tag_id"),
            "backups": True,
            "ipv6": True,
            "monitoring": True,
            "user_data": "#cloud-config\n",
        }
    if rng.random() < 0.2:
        body |= {
            "vpc_uuid": identifiers.one("vpc_id"),
            "ssh_keys": identifiers.some("ssh_key_identifier"),
        }
    return body


def _balancer(rng: random.Random, identifiers: Identifiers) -> Any:
    rule = {
        "entry_protocol": "http",
        "entry_port": 80,
        "target_protocol": "http",
        "target_port": 8080,
    }
    body: dict[str, Any] = {
        "name": _name(rng),
        "region": rng.choice(REGIONS),
        "forwarding_rules": [rule],
    }
    if rng.random() < 0.5:
        return body | {"tag": identifiers.one("tag_id", "web"), "sticky_sessions": {"type": "none"}}
    return body | {
        "health_check": {"protocol": "http", "port": 8080, "path": "/health"},
        "size_unit": 1,
    }


def _forwarding(rng: random.Random, identifiers: Identifiers) -> Any:
    return {
        "forwarding_rules": [
            {
                "entry_protocol": "tcp",
                "entry_port": rng.choice([80, 81, 82]),
                "target_protocol": "tcp",
                "target_port": 81,
            }
        ]
    }


def _rules(rng: random.Random, identifiers: Identifiers) -> dict[str, Any]:
    return {
        "inbound_rules": [
            {
                "protocol": "tcp",
                "ports": rng.choice(["22", "80-90", "0", "all"]),
                "sources": {"addresses": ["0.0.0.0/0", "::/0"]},
            }
        ],
        "outbound_rules": [
            {
                "protocol": "icmp",
                "destinations": {
                    "tags": identifiers.some("tag_id", 1),
                    "addresses": ["10.0.0.0/8"],
                },
            }
        ],
    }


def _firewall(rng: random.Random, identifiers: Identifiers) -> Any:
    return {
        "name": _name(rng),
        **_rules(rng, identifiers),
        "droplet_ids": identifiers.some("droplet_id"),
        "tags": identifiers.some("tag_id"),
    }


def _record(rng: random.Random, identifiers: Identifiers) -> Any:
    address = {
        "type": "A",
        "name": _name(rng),
        "data": str(IPv4Address(rng.randrange(2**32))),
        "ttl": 60,
    }
    mail = {"type": "MX", "name": "@", "data": "mail.example.org.", "priority": 10}
    service = {
        "type": "SRV",
        "name": "_sip._tcp",
        "data": "sip.example.org.",
        "priority": 1,
        "port": 5060,
        "weight": 5,
    }
    text = {"type": "TXT", "name": _name(rng), "data": "v=spf1 -all"}
    return rng.choice([address, mail, service, text])


def _project(rng: random.Random, identifiers: Identifiers) -> Any:
    return {
        "name": _name(rng),
        "description": "",
        "purpose": "Service or API",
        "environment": "Staging",
        "is_default": False,
    }


def _resources(rng: random.Random, identifiers: Identifiers) -> Any:
    return {"resources": [f"do:droplet:{id}" for id in identifiers.some("droplet_id")]}


def _tag_resources(rng: random.Random, identifiers: Identifiers) -> Any:
    return {
        "resources": [
            {"resource_id": str(id), "resource_type": "droplet"}
            for id in identifiers.some("droplet_id")
        ]
    }


def _certificate(rng: random.Random, identifiers: Identifiers) -> Any:
    name = _name(rng)
    if rng.random() < 0.3:
        return {
            "name": name,
            "type": "lets_encrypt",
            "dns_names": [f"www.{identifiers.one('domain_name', 'example.org')}"],
        }
    key, certificate = issue_certificate(f"{name}.example")
    return {"name": name, "type": "custom", "private_key": key, "leaf_certificate": certificate}


def _reserved_ip(rng: random.Random, identifiers: Identifiers) -> Any:
    return (
        {"region": rng.choice(REGIONS)}
        if rng.random() < 0.7
        else {"droplet_id": identifiers.one("droplet_id", 1)}
    )


def _reserved_ip_action(rng: random.Random, identifiers: Identifiers) -> Any:
    return (
        {"type": "unassign"}
        if rng.random() < 0.4
        else {"type": "assign", "droplet_id": identifiers.one("droplet_id", 1)}
    )


def _vpc(rng: random.Random, identifiers: Identifiers) -> Any:
    body = {"name": _name(rng), "region": rng.choice(REGIONS)}
    return (
        body | {"ip_range": f"10.{rng.randrange(150, 250)}.{rng.randrange(256)}.0/24"}
        if rng.random() < 0.5
        else body
    )


def _spaces_key(rng: random.Random, identifiers: Identifiers) -> Any:
    return {"name": _name(rng), "grants": [{"bucket": "", "permission": "fullaccess"}]}


BODIES: dict[str, Sample] = {
    "sshKeys_create": lambda rng, identifiers: {
        "name": _name(rng),
        "public_key": generate_public_key(),
    },
    "sshKeys_update": lambda rng, identifiers: {"name": _name(rng)},
    "certificates_create": _certificate,
    "domains_create": lambda rng, identifiers: {"name": f"{_name(rng)}.example"},
    "domains_create_record": _record,
    "domains_patch_record": _record,
    "domains_update_record": _record,
    "droplets_create": _droplet,
    "dropletActions_post": lambda rng, identifiers: rng.choice(ACTIONS),
    "dropletActions_post_byTag": lambda rng, identifiers: rng.choice(ACTIONS),
    "firewalls_create": _firewall,
    "firewalls_update": _firewall,
    "firewalls_assign_droplets": lambda rng, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "firewalls_delete_droplets": lambda rng, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "firewalls_add_rules": _rules,
    "firewalls_delete_rules": _rules,
    "firewalls_add_tags": lambda rng, identifiers: {"tags": identifiers.some("tag_id")},
    "firewalls_delete_tags": lambda rng, identifiers: {"tags": identifiers.some("tag_id")},
    "images_update": lambda rng, identifiers: {
        "name": _name(rng),
        "description": "of a test",
    },
    "imageActions_post": lambda rng, identifiers: rng.choice(
        [{"type": "convert"}, {"type": "transfer", "region": "fra1"}]
    ),
    "loadBalancers_create": _balancer,
    "loadBalancers_update": _balancer,
    "loadBalancers_add_droplets": lambda rng, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "loadBalancers_remove_droplets": lambda rng, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "loadBalancers_add_forwardingRules": _forwarding,
    "loadBalancers_remove_forwardingRules": _forwarding,
    "projects_create": _project,
    "projects_patch": _project,
    "projects_update": _project,
    "projects_patch_default": _project,
    "projects_update_default": lambda rng, identifiers: (
        _project(rng, identifiers) | {"is_default": True}
    ),
    "projects_assign_resources": _resources,
    "projects_assign_resources_default": _resources,
    "reservedIPs_create": _reserved_ip,
    "reservedIPsActions_post": _reserved_ip_action,
    "spacesKey_create": _spaces_key,
    "spacesKey_patch": _spaces_key,
    "spacesKey_update": _spaces_key,
    "tags_create": lambda rng, identifiers: {"name": _name(rng)},
    "tags_assign_resources": _tag_resources,
    "tags_unassign_resources": _tag_resources,
    "vpcs_create": _vpc,
    "vpcs_patch": lambda rng, identifiers: {"description": _name(rng)},
    "vpcs_update": lambda rng, identifiers: {"name": _name(rng), "description": ""},
}
