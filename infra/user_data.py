"""What a droplet is told at its first boot: who it is, and whom to join."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Node:
    """What shapes a machine and never changes while it lives; anything else of it means a new machine."""

    name: str
    role: Literal["prime", "worker"]
    datacenter: str
    vpc_cidr: IPv4Network
    task_driver: str


def cloud_config(node: Node, primes: Sequence[str], bootstrap_expect: int) -> str:
    """Cloud-init's text: the base image's ``tool-join`` reads the file and starts the agents.

    Args:
        primes: private addresses to join; none for the first prime.
        bootstrap_expect: how many primes begin the cluster; workers do not look at it.
    """
    facts = {
        "ROLE": node.role,
        "NODE_NAME": node.name,
        "DATACENTER": node.datacenter,
        "VPC_CIDR": str(node.vpc_cidr),
        "PRIMES": ",".join(primes),
        "BOOTSTRAP_EXPECT": str(bootstrap_expect),
        "TASK_DRIVER": node.task_driver,
    }
    content = "".join(f"{name}={value}\n" for name, value in facts.items())
    config = {
        "write_files": [{"path": "/etc/slipway/cluster.env", "permissions": "0644", "content": content}],
        "runcmd": [["tool-join"]],
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"
