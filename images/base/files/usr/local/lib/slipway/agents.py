"""The two agents' configuration for one node; what all nodes share is in base.hcl beside it."""

from ipaddress import IPv4Address
from typing import Any

from cluster import Cluster

JOIN_INTERVAL = "1s"
"""Both agents' own is 30 s: too long for a node that boots beside its prime."""


def consul(cluster: Cluster, address: IPv4Address, recursors: list[str]) -> dict[str, Any]:
    """Consul's part: HTTP is open on primes (the firewall says to whom) and local on workers."""
    prime = cluster.role == "prime"
    config: dict[str, Any] = {
        "node_name": cluster.node_name,
        "datacenter": cluster.datacenter,
        "bind_addr": str(address),
        "client_addr": "127.0.0.1",
        "addresses": {"dns": f"127.0.0.1 {address}", "http": "0.0.0.0" if prime else "127.0.0.1"},
        "recursors": recursors,
        "retry_join": cluster.primes,
        "retry_interval": JOIN_INTERVAL,
        "server": prime,
        "leave_on_terminate": not prime,
    }
    if prime:
        config |= {
            "bootstrap_expect": cluster.bootstrap_expect,
            "performance": {"raft_multiplier": 1},
            "ui_config": {"enabled": True},
        }
    return config


def nomad(cluster: Cluster, address: IPv4Address, interface: str) -> dict[str, Any]:
    """Nomad's part. Agents find each other by the primes' addresses, and through Consul when those changed."""
    join = {"server_join": {"retry_join": cluster.primes, "retry_interval": JOIN_INTERVAL}} if cluster.primes else {}
    config: dict[str, Any] = {
        "name": cluster.node_name,
        "datacenter": cluster.datacenter,
        "advertise": {"http": str(address), "rpc": str(address), "serf": str(address)},
    }
    if cluster.role == "prime":
        return config | {
            "addresses": {"http": "0.0.0.0", "rpc": str(address), "serf": str(address)},
            "server": {"enabled": True, "bootstrap_expect": cluster.bootstrap_expect, "raft_multiplier": 1, **join},
        }
    return config | {
        "addresses": {"http": "127.0.0.1"},
        "leave_on_terminate": True,
        "client": {
            "enabled": True,
            "network_interface": interface,
            "options": {"driver.allowlist": cluster.task_driver},
            **join,
        },
        "plugin": {"raw_exec": {"config": {"enabled": cluster.task_driver == "raw_exec"}}},
    }
