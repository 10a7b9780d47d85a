"""The two agents' configuration for one node, and what a change of it takes; what all nodes share is in base.hcl beside it."""

import json
from collections.abc import Iterable
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Any

from bundle import Bundle

Config = dict[str, Any]

JOIN_INTERVAL = "1s"
"""Both agents' own is 30 s: too long for a node that boots beside its prime."""

NODE_GC_THRESHOLD = "720h"
"""Nomad's own is a day. A worker that was away for longer than its identity is valid may register again with that one as
long as the servers know the node; it has no introduction any more."""

CONSUL_LATER = ("retry_join", "encrypt", "bootstrap_expect")
"""Looked at when an agent without memory starts, so that a change waits until then. A gossip key is changed over the API."""

CONSUL_RELOADS = ("acl",)
NOMAD_LATER = (
    "server.server_join",
    "client.server_join",
    "server.encrypt",
    "server.bootstrap_expect",
)
"""As Consul's. Nomad reloads its certificates and nothing else of this: its Consul token is read at the start only."""


class Work(IntEnum):
    """What an agent needs to follow its files; more is more."""

    NONE = 0
    RELOAD = 1
    RESTART = 2


def consul(bundle: Bundle, address: IPv4Address, recursors: list[str]) -> Config:
    """Consul's part. Plain HTTP and DNS are the node's own; primes have HTTPS besides, for those who show a certificate.

    The agent registers the node's own check with its own token.
    """
    node, tokens = bundle.node, bundle.tokens
    config: Config = {
        "node_name": node.name,
        "datacenter": node.datacenter,
        "bind_addr": str(address),
        "client_addr": "127.0.0.1",
        "recursors": recursors,
        "retry_join": node.primes,
        "retry_interval": JOIN_INTERVAL,
        "server": node.prime,
        "leave_on_terminate": not node.prime,
        "encrypt": bundle.gossip.consul,
        "acl": {
            "tokens": {
                "agent": tokens.agent,
                "config_file_service_registration": tokens.agent,
                "dns": tokens.dns,
            }
        },
    }
    if node.prime:
        config |= {
            "addresses": {"https": "0.0.0.0"},
            "ports": {"https": 8501},
            "bootstrap_expect": node.bootstrap_expect,
            "performance": {"raft_multiplier": 1},
            "ui_config": {"enabled": True},
        }
    return config


def nomad(bundle: Bundle, address: IPv4Address, interface: str) -> Config:
    """Nomad's part. Agents find each other by the primes' addresses, and through Consul when those changed."""
    node = bundle.node
    join = {"server_join": {"retry_join": node.primes, "retry_interval": JOIN_INTERVAL}}
    config: Config = {
        "name": node.name,
        "datacenter": node.datacenter,
        "advertise": {"http": str(address), "rpc": str(address), "serf": str(address)},
        "consul": {"token": bundle.tokens.nomad},
    }
    if node.prime:
        return config | {
            "addresses": {"http": "0.0.0.0", "rpc": str(address), "serf": str(address)},
            "server": {
                "enabled": True,
                "bootstrap_expect": node.bootstrap_expect,
                "raft_multiplier": 1,
                "encrypt": bundle.gossip.nomad,
                "client_introduction": {"enforcement": "strict"},
                "node_gc_threshold": NODE_GC_THRESHOLD,
                **join,
            },
        }
    return config | {
        "addresses": {"http": "127.0.0.1"},
        "leave_on_terminate": True,
        "client": {
            "enabled": True,
            "network_interface": interface,
            "options": {"driver.allowlist": node.task_driver},
            **join,
        },
        "plugin": {"raw_exec": {"config": {"enabled": node.task_driver == "raw_exec"}}},
    }


def render(config: Config) -> str:
    return json.dumps(config, indent=2) + "\n"


def consul_work(old: Config, new: Config) -> Work:
    """What it takes that Consul follows from ``old`` to ``new``."""
    return _work(old, new, CONSUL_LATER, CONSUL_RELOADS)


def nomad_work(old: Config, new: Config) -> Work:
    """As Consul's. Tasks outlive a restart."""
    return _work(old, new, NOMAD_LATER, ())


def _work(old: Config, new: Config, later: Iterable[str], reloads: Iterable[str]) -> Work:
    if _without(old, later) == _without(new, later):
        return Work.NONE
    aside = (*later, *reloads)
    return Work.RELOAD if _without(old, aside) == _without(new, aside) else Work.RESTART


def _without(config: Config, names: Iterable[str]) -> Config:
    """A copy that lacks what ``names`` name, with dots on the way down."""
    left: Config = json.loads(json.dumps(config))
    for name in names:
        *above, last = name.split(".")
        inner = left
        for step in above:
            inner = inner.get(step, {})
        inner.pop(last, None)
    return left
