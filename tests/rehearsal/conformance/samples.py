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


def _name(chance: random.Random) -> str:
    return f"n{chance.randrange(10**6)}"


def _droplet(chance: random.Random, identifiers: Identifiers) -> Any:
    body: dict[str, Any] = {
        "region": chance.choice(REGIONS),
        "size": chance.choice(SIZES),
        "image": "debian-12-x64",
    }
    body |= (
        {"names": [_name(chance), _name(chance)]}
        if chance.random() < 0.2
        else {"name": _name(chance)}
    )
    if chance.random() < 0.5:
        body |= {
            "tags": identifiers.some("tag_id"),
            "backups": True,
            "ipv6": True,
            "monitoring": True,
            "user_data": "#cloud-config\n",
        }
    if chance.random() < 0.2:
        body |= {
            "vpc_uuid": identifiers.one("vpc_id"),
            "ssh_keys": identifiers.some("ssh_key_identifier"),
        }
    return body


def _balancer(chance: random.Random, identifiers: Identifiers) -> Any:
    rule = {
        "entry_protocol": "http",
        "entry_port": 80,
        "target_protocol": "http",
        "target_port": 8080,
    }
    body: dict[str, Any] = {
        "name": _name(chance),
        "region": chance.choice(REGIONS),
        "forwarding_rules": [rule],
    }
    if chance.random() < 0.5:
        return body | {"tag": identifiers.one("tag_id", "web"), "sticky_sessions": {"type": "none"}}
    return body | {
        "health_check": {"protocol": "http", "port": 8080, "path": "/health"},
        "size_unit": 1,
    }


def _forwarding(chance: random.Random, identifiers: Identifiers) -> Any:
    return {
        "forwarding_rules": [
            {
                "entry_protocol": "tcp",
                "entry_port": chance.choice([80, 81, 82]),
                "target_protocol": "tcp",
                "target_port": 81,
            }
        ]
    }


def _rules(chance: random.Random, identifiers: Identifiers) -> dict[str, Any]:
    return {
        "inbound_rules": [
            {
                "protocol": "tcp",
                "ports": chance.choice(["22", "80-90", "0", "all"]),
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


def _firewall(chance: random.Random, identifiers: Identifiers) -> Any:
    return {
        "name": _name(chance),
        **_rules(chance, identifiers),
        "droplet_ids": identifiers.some("droplet_id"),
        "tags": identifiers.some("tag_id"),
    }


def _record(chance: random.Random, identifiers: Identifiers) -> Any:
    address = {
        "type": "A",
        "name": _name(chance),
        "data": str(IPv4Address(chance.randrange(2**32))),
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
    text = {"type": "TXT", "name": _name(chance), "data": "v=spf1 -all"}
    return chance.choice([address, mail, service, text])


def _project(chance: random.Random, identifiers: Identifiers) -> Any:
    return {
        "name": _name(chance),
        "description": "",
        "purpose": "Service or API",
        "environment": "Staging",
        "is_default": False,
    }


def _resources(chance: random.Random, identifiers: Identifiers) -> Any:
    return {"resources": [f"do:droplet:{id}" for id in identifiers.some("droplet_id")]}


def _tag_resources(chance: random.Random, identifiers: Identifiers) -> Any:
    return {
        "resources": [
            {"resource_id": str(id), "resource_type": "droplet"}
            for id in identifiers.some("droplet_id")
        ]
    }


def _certificate(chance: random.Random, identifiers: Identifiers) -> Any:
    name = _name(chance)
    if chance.random() < 0.3:
        return {
            "name": name,
            "type": "lets_encrypt",
            "dns_names": [f"www.{identifiers.one('domain_name', 'example.org')}"],
        }
    key, certificate = issue_certificate(f"{name}.example")
    return {"name": name, "type": "custom", "private_key": key, "leaf_certificate": certificate}


def _reserved_ip(chance: random.Random, identifiers: Identifiers) -> Any:
    return (
        {"region": chance.choice(REGIONS)}
        if chance.random() < 0.7
        else {"droplet_id": identifiers.one("droplet_id", 1)}
    )


def _reserved_ip_action(chance: random.Random, identifiers: Identifiers) -> Any:
    return (
        {"type": "unassign"}
        if chance.random() < 0.4
        else {"type": "assign", "droplet_id": identifiers.one("droplet_id", 1)}
    )


def _vpc(chance: random.Random, identifiers: Identifiers) -> Any:
    body = {"name": _name(chance), "region": chance.choice(REGIONS)}
    return (
        body | {"ip_range": f"10.{chance.randrange(150, 250)}.{chance.randrange(256)}.0/24"}
        if chance.random() < 0.5
        else body
    )


def _spaces_key(chance: random.Random, identifiers: Identifiers) -> Any:
    return {"name": _name(chance), "grants": [{"bucket": "", "permission": "fullaccess"}]}


BODIES: dict[str, Sample] = {
    "sshKeys_create": lambda chance, identifiers: {
        "name": _name(chance),
        "public_key": generate_public_key(),
    },
    "sshKeys_update": lambda chance, identifiers: {"name": _name(chance)},
    "certificates_create": _certificate,
    "domains_create": lambda chance, identifiers: {"name": f"{_name(chance)}.example"},
    "domains_create_record": _record,
    "domains_patch_record": _record,
    "domains_update_record": _record,
    "droplets_create": _droplet,
    "dropletActions_post": lambda chance, identifiers: chance.choice(ACTIONS),
    "dropletActions_post_byTag": lambda chance, identifiers: chance.choice(ACTIONS),
    "firewalls_create": _firewall,
    "firewalls_update": _firewall,
    "firewalls_assign_droplets": lambda chance, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "firewalls_delete_droplets": lambda chance, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "firewalls_add_rules": _rules,
    "firewalls_delete_rules": _rules,
    "firewalls_add_tags": lambda chance, identifiers: {"tags": identifiers.some("tag_id")},
    "firewalls_delete_tags": lambda chance, identifiers: {"tags": identifiers.some("tag_id")},
    "images_update": lambda chance, identifiers: {
        "name": _name(chance),
        "description": "of a test",
    },
    "imageActions_post": lambda chance, identifiers: chance.choice(
        [{"type": "convert"}, {"type": "transfer", "region": "fra1"}]
    ),
    "loadBalancers_create": _balancer,
    "loadBalancers_update": _balancer,
    "loadBalancers_add_droplets": lambda chance, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "loadBalancers_remove_droplets": lambda chance, identifiers: {
        "droplet_ids": identifiers.some("droplet_id")
    },
    "loadBalancers_add_forwardingRules": _forwarding,
    "loadBalancers_remove_forwardingRules": _forwarding,
    "projects_create": _project,
    "projects_patch": _project,
    "projects_update": _project,
    "projects_patch_default": _project,
    "projects_update_default": lambda chance, identifiers: (
        _project(chance, identifiers) | {"is_default": True}
    ),
    "projects_assign_resources": _resources,
    "projects_assign_resources_default": _resources,
    "reservedIPs_create": _reserved_ip,
    "reservedIPsActions_post": _reserved_ip_action,
    "spacesKey_create": _spaces_key,
    "spacesKey_patch": _spaces_key,
    "spacesKey_update": _spaces_key,
    "tags_create": lambda chance, identifiers: {"name": _name(chance)},
    "tags_assign_resources": _tag_resources,
    "tags_unassign_resources": _tag_resources,
    "vpcs_create": _vpc,
    "vpcs_patch": lambda chance, identifiers: {"description": _name(chance)},
    "vpcs_update": lambda chance, identifiers: {"name": _name(chance), "description": ""},
}
