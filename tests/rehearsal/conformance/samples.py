"""Bodies that a client would really send, by operation of the description."""

import random
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from tests.rehearsal.conformance.certificate import leaf, public_key
from tests.rehearsal.conformance.known import Known

Sample = Callable[[random.Random, Known], Any]

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


def _droplet(chance: random.Random, known: Known) -> Any:
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
            "tags": known.some("tag_id"),
            "backups": True,
            "ipv6": True,
            "monitoring": True,
            "user_data": "#cloud-config\n",
        }
    if chance.random() < 0.2:
        body |= {"vpc_uuid": known.one("vpc_id"), "ssh_keys": known.some("ssh_key_identifier")}
    return body


def _balancer(chance: random.Random, known: Known) -> Any:
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
        return body | {"tag": known.one("tag_id", "web"), "sticky_sessions": {"type": "none"}}
    return body | {
        "health_check": {"protocol": "http", "port": 8080, "path": "/health"},
        "size_unit": 1,
    }


def _forwarding(chance: random.Random, known: Known) -> Any:
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


def _rules(chance: random.Random, known: Known) -> dict[str, Any]:
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
                "destinations": {"tags": known.some("tag_id", 1), "addresses": ["10.0.0.0/8"]},
            }
        ],
    }


def _firewall(chance: random.Random, known: Known) -> Any:
    return {
        "name": _name(chance),
        **_rules(chance, known),
        "droplet_ids": known.some("droplet_id"),
        "tags": known.some("tag_id"),
    }


def _record(chance: random.Random, known: Known) -> Any:
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


def _project(chance: random.Random, known: Known) -> Any:
    return {
        "name": _name(chance),
        "description": "",
        "purpose": "Service or API",
        "environment": "Staging",
        "is_default": False,
    }


def _resources(chance: random.Random, known: Known) -> Any:
    return {"resources": [f"do:droplet:{id}" for id in known.some("droplet_id")]}


def _tagged(chance: random.Random, known: Known) -> Any:
    return {
        "resources": [
            {"resource_id": str(id), "resource_type": "droplet"} for id in known.some("droplet_id")
        ]
    }


def _certificate(chance: random.Random, known: Known) -> Any:
    name = _name(chance)
    if chance.random() < 0.3:
        return {
            "name": name,
            "type": "lets_encrypt",
            "dns_names": [f"www.{known.one('domain_name', 'example.org')}"],
        }
    key, certificate = leaf(f"{name}.example")
    return {"name": name, "type": "custom", "private_key": key, "leaf_certificate": certificate}


def _reserved(chance: random.Random, known: Known) -> Any:
    return (
        {"region": chance.choice(REGIONS)}
        if chance.random() < 0.7
        else {"droplet_id": known.one("droplet_id", 1)}
    )


def _moved(chance: random.Random, known: Known) -> Any:
    return (
        {"type": "unassign"}
        if chance.random() < 0.4
        else {"type": "assign", "droplet_id": known.one("droplet_id", 1)}
    )


def _vpc(chance: random.Random, known: Known) -> Any:
    body = {"name": _name(chance), "region": chance.choice(REGIONS)}
    return (
        body | {"ip_range": f"10.{chance.randrange(150, 250)}.{chance.randrange(256)}.0/24"}
        if chance.random() < 0.5
        else body
    )


def _spaces_key(chance: random.Random, known: Known) -> Any:
    return {"name": _name(chance), "grants": [{"bucket": "", "permission": "fullaccess"}]}


BODIES: dict[str, Sample] = {
    "sshKeys_create": lambda chance, known: {"name": _name(chance), "public_key": public_key()},
    "sshKeys_update": lambda chance, known: {"name": _name(chance)},
    "certificates_create": _certificate,
    "domains_create": lambda chance, known: {"name": f"{_name(chance)}.example"},
    "domains_create_record": _record,
    "domains_patch_record": _record,
    "domains_update_record": _record,
    "droplets_create": _droplet,
    "dropletActions_post": lambda chance, known: chance.choice(ACTIONS),
    "dropletActions_post_byTag": lambda chance, known: chance.choice(ACTIONS),
    "firewalls_create": _firewall,
    "firewalls_update": _firewall,
    "firewalls_assign_droplets": lambda chance, known: {"droplet_ids": known.some("droplet_id")},
    "firewalls_delete_droplets": lambda chance, known: {"droplet_ids": known.some("droplet_id")},
    "firewalls_add_rules": _rules,
    "firewalls_delete_rules": _rules,
    "firewalls_add_tags": lambda chance, known: {"tags": known.some("tag_id")},
    "firewalls_delete_tags": lambda chance, known: {"tags": known.some("tag_id")},
    "images_update": lambda chance, known: {"name": _name(chance), "description": "of a test"},
    "imageActions_post": lambda chance, known: chance.choice(
        [{"type": "convert"}, {"type": "transfer", "region": "fra1"}]
    ),
    "loadBalancers_create": _balancer,
    "loadBalancers_update": _balancer,
    "loadBalancers_add_droplets": lambda chance, known: {"droplet_ids": known.some("droplet_id")},
    "loadBalancers_remove_droplets": lambda chance, known: {
        "droplet_ids": known.some("droplet_id")
    },
    "loadBalancers_add_forwardingRules": _forwarding,
    "loadBalancers_remove_forwardingRules": _forwarding,
    "projects_create": _project,
    "projects_patch": _project,
    "projects_update": _project,
    "projects_patch_default": _project,
    "projects_update_default": lambda chance, known: _project(chance, known) | {"is_default": True},
    "projects_assign_resources": _resources,
    "projects_assign_resources_default": _resources,
    "reservedIPs_create": _reserved,
    "reservedIPsActions_post": _moved,
    "spacesKey_create": _spaces_key,
    "spacesKey_patch": _spaces_key,
    "spacesKey_update": _spaces_key,
    "tags_create": lambda chance, known: {"name": _name(chance)},
    "tags_assign_resources": _tagged,
    "tags_unassign_resources": _tagged,
    "vpcs_create": _vpc,
    "vpcs_patch": lambda chance, known: {"description": _name(chance)},
    "vpcs_update": lambda chance, known: {"name": _name(chance), "description": ""},
}
