"""The configuration of a node's two agents, and what an agent needs to apply a change of it.

Settings that all nodes share are in base.hcl.
"""

import json
from collections.abc import Iterable
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Any

from enrolment_bundle import Bundle
from node import Node

Config = dict[str, Any]

JOIN_INTERVAL = "1s"
"""The default of both agents, 30 s, is too long for a node that boots together with its prime."""

NODE_GC_THRESHOLD = "720h"
"""Nomad's default is 24 h. While the servers keep a node, its client may register again with its
identity; after garbage collection it needs a new introduction."""

CONSUL_FIRST_START_KEYS = ("retry_join", "encrypt", "bootstrap_expect")
"""Consul reads these only when it starts without state. A gossip key is changed over the API."""

CONSUL_RELOADABLE_KEYS = ("acl",)
NOMAD_FIRST_START_KEYS = (
    "server.server_join",
    "client.server_join",
    "server.encrypt",
    "server.bootstrap_expect",
)
"""Nomad reads these only when it starts without state. Of the rest it reloads certificates only:
it reads its Consul token when it starts."""


class AgentAction(IntEnum):
    """What makes an agent apply its new configuration; a greater action includes the lesser."""

    NONE = 0
    RELOAD = 1
    RESTART = 2


def consul_config(bundle: Bundle, address: IPv4Address, recursors: list[str]) -> Config:
    """Return the node's part of Consul's configuration.

    Plain HTTP and DNS listen on loopback. A prime also serves HTTPS to clients with a certificate.
    The agent registers the node's health check with its own token.
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
        "server": node.is_prime,
        "leave_on_terminate": not node.is_prime,
        "encrypt": bundle.gossip.consul,
        "acl": {
            "tokens": {
                "agent": tokens.agent,
                "config_file_service_registration": tokens.agent,
                "dns": tokens.dns,
            }
        },
    }
    if node.is_prime:
        config |= {
            "addresses": {"https": "0.0.0.0"},
            "ports": {"https": 8501},
            **_bootstrap_expect(node),
            "performance": {"raft_multiplier": 1},
            "ui_config": {"enabled": True},
        }
    return config


def nomad_config(bundle: Bundle, address: IPv4Address, interface: str) -> Config:
    """Return the node's part of Nomad's configuration.

    Agents join by the primes' addresses, and through Consul once those have changed. A server gets
    SIGTERM only if it leaves the cluster, a client also when the machine shuts down.
    """
    node = bundle.node
    join = {"server_join": {"retry_join": node.primes, "retry_interval": JOIN_INTERVAL}}
    config: Config = {
        "name": node.name,
        "datacenter": node.datacenter,
        "advertise": {"http": str(address), "rpc": str(address), "serf": str(address)},
        "consul": {"token": bundle.tokens.nomad},
        "leave_on_terminate": True,
    }
    if node.is_prime:
        return config | {
            "addresses": {"http": "0.0.0.0", "rpc": str(address), "serf": str(address)},
            "server": {
                "enabled": True,
                **_bootstrap_expect(node),
                "raft_multiplier": 1,
                "encrypt": bundle.gossip.nomad,
                "client_introduction": {"enforcement": "strict"},
                "node_gc_threshold": NODE_GC_THRESHOLD,
                **join,
            },
        }
    return config | {
        "addresses": {"http": "127.0.0.1"},
        "client": {
            "enabled": True,
            "network_interface": interface,
            "options": {"driver.allowlist": node.task_driver},
            **join,
        },
        "plugin": {"raw_exec": {"config": {"enabled": node.task_driver == "raw_exec"}}},
    }


def _bootstrap_expect(node: Node) -> Config:
    """Return the setting with which servers bootstrap a cluster; empty on one that joins."""
    return {"bootstrap_expect": node.bootstrap_expect} if node.bootstrap_expect else {}


def render(config: Config) -> str:
    """Return the text of an agent's configuration file."""
    return json.dumps(config, indent=2) + "\n"


def consul_action(old: Config, new: Config) -> AgentAction:
    """Return what makes Consul apply ``new`` after ``old``."""
    return _action(old, new, CONSUL_FIRST_START_KEYS, CONSUL_RELOADABLE_KEYS)


def nomad_action(old: Config, new: Config) -> AgentAction:
    """Return what makes Nomad apply ``new`` after ``old``. Tasks survive a restart."""
    return _action(old, new, NOMAD_FIRST_START_KEYS, ())


def _action(
    old: Config, new: Config, first_start_keys: Iterable[str], reloadable_keys: Iterable[str]
) -> AgentAction:
    if _without(old, first_start_keys) == _without(new, first_start_keys):
        return AgentAction.NONE
    keys = (*first_start_keys, *reloadable_keys)
    if _without(old, keys) == _without(new, keys):
        return AgentAction.RELOAD
    return AgentAction.RESTART


def _without(config: Config, keys: Iterable[str]) -> Config:
    """Return a copy of ``config`` without ``keys``; a dot in a key leads to a nested key."""
    copy: Config = json.loads(json.dumps(config))
    for key in keys:
        *parents, last = key.split(".")
        inner = copy
        for parent in parents:
            inner = inner.get(parent, {})
        inner.pop(last, None)
    return copy
