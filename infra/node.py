"""One droplet of the cluster, prime or worker: what both have in common."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi
import pulumi_digitalocean as digitalocean

from infra.addresses import droplet_name
from infra.agents import Member
from infra.user_data import Node, cloud_config


@dataclass(frozen=True, kw_only=True)
class Mould:
    """What all machines of a role are made from."""

    role: Literal["prime", "worker"]
    region: str
    size: str
    task_driver: str
    vpc_cidr: IPv4Network
    vpc_id: pulumi.Input[str]
    tag: pulumi.Input[str]
    image: pulumi.Input[str]
    ssh_keys: Sequence[pulumi.Input[str]]
    guarded_by: Sequence[pulumi.Resource]
    """Firewalls that are in force before the first packet can come."""


def droplet(
    mould: Mould, number: int, primes: pulumi.Output[list[str]], bootstrap_expect: int, parent: pulumi.Resource
) -> digitalocean.Droplet:
    """Ask for the machine ``number`` of a role.

    Its text for the first boot names the primes to join, and is not looked at again: a prime's new address must not
    cost the machines that knew the former one (``Readiness`` takes them over). What the machine *is* replaces it,
    through the trigger. Keys too count at creation only. The old machine goes first, because a cluster cannot have
    two members of one name.
    """
    node = Node(
        name=droplet_name(mould.role, number, mould.region),
        role=mould.role,
        datacenter=mould.region,
        vpc_cidr=mould.vpc_cidr,
        task_driver=mould.task_driver,
    )
    return digitalocean.Droplet(
        # Without the region, so that a stack that moves replaces its machines instead of having both.
        f"{mould.role}{number:02d}",
        name=node.name,
        region=mould.region,
        size=mould.size,
        image=mould.image,
        vpc_uuid=mould.vpc_id,
        ssh_keys=list(mould.ssh_keys) or None,
        tags=[mould.tag],
        user_data=primes.apply(lambda known: cloud_config(node, known, bootstrap_expect)),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(mould.guarded_by),
            ignore_changes=["user_data", "ssh_keys"],
            replacement_trigger={name: str(value) for name, value in asdict(node).items()},
            delete_before_replace=True,
        ),
    )


def members(droplets: Sequence[digitalocean.Droplet]) -> pulumi.Output[list[Member]]:
    """The droplets as members of the cluster, each a machine of its own even where it inherits an address."""
    return pulumi.Output.all(*(_member(machine) for machine in droplets)).apply(list)


def _member(machine: digitalocean.Droplet) -> pulumi.Output[Member]:
    known = pulumi.Output.all(machine.name, machine.id, machine.created_at, machine.ipv4_address_private, machine.ipv4_address)
    return known.apply(lambda it: Member(name=it[0], droplet=it[1], created=it[2], address=it[3], public=it[4]))
