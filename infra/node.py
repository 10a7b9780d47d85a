"""One machine of the cluster, prime or worker: what both have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster_api.members import Member
from infra.names import Role, droplet_name, machine_label
from infra.secrets import NodeSecrets, Secrets
from infra.user_data import cloud_config


@dataclass(frozen=True, kw_only=True)
class DropletTemplate:
    """What all machines of a role are made from."""

    role: Role
    region: str
    size: str
    task_driver: str
    vpc_cidr: IPv4Network
    vpc_id: pulumi.Input[str]
    tag: pulumi.Input[str]
    image: pulumi.Input[str]
    ssh_keys: Sequence[pulumi.Input[str]]
    depends_on: Sequence[pulumi.Resource]
    """Firewalls that are in force before the first packet can come."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A droplet, and what is kept for it."""

    label: str
    """Role and number; without the region, so that a stack that moves replaces its machines instead of having both."""
    facts: Mapping[str, str]
    """What shapes the machine and never changes while it lives."""
    droplet: digitalocean.Droplet
    secrets: NodeSecrets

    @property
    def name(self) -> str:
        return self.facts["name"]


def machine(
    droplet_template: DropletTemplate, number: int, secrets: Secrets, parent: pulumi.Resource
) -> Machine:
    """Ask for the machine ``number`` of a role.

    It waits for no other machine. What it *is* replaces it, through the trigger; all that does so also brings another
    key for its first boot. The text of that boot and the account's keys count at creation only. The old machine goes
    first, because a cluster cannot have two members of one name.
    """
    label = machine_label(droplet_template.role, number)
    facts = {
        "name": droplet_name(droplet_template.role, number, droplet_template.region),
        "role": droplet_template.role,
        "datacenter": droplet_template.region,
        "vpc_cidr": str(droplet_template.vpc_cidr),
        "task_driver": droplet_template.task_driver,
    }
    trigger = {**facts, "enrolled_by": secrets.enrol.public}
    own = secrets.of_node(
        label, {**trigger, "image": droplet_template.image, "vpc_id": droplet_template.vpc_id}
    )
    known = pulumi.Output.all(
        own.first_host_key.private, own.first_host_key.public, secrets.enrol.public
    )
    told: pulumi.Output[str] = pulumi.Output.secret(known.apply(lambda keys: cloud_config(*keys)))
    droplet = digitalocean.Droplet(
        label,
        name=facts["name"],
        region=droplet_template.region,
        size=droplet_template.size,
        image=droplet_template.image,
        droplet_agent=False,
        vpc_uuid=droplet_template.vpc_id,
        ssh_keys=list(droplet_template.ssh_keys),
        tags=[droplet_template.tag],
        user_data=told,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(droplet_template.depends_on),
            ignore_changes=["user_data", "ssh_keys"],
            replacement_trigger=trigger,
            delete_before_replace=True,
        ),
    )
    return Machine(label=label, facts=facts, droplet=droplet, secrets=own)


def members(machines: Sequence[Machine]) -> pulumi.Output[list[Member]]:
    """The machines as members of the cluster, each one of its own even where it inherits an address."""
    return pulumi.Output.all(*(_member(one.droplet) for one in machines)).apply(list)


def host_keys(machines: Sequence[Machine]) -> pulumi.Output[dict[str, str]]:
    """By which key each machine is known over SSH, by name; public halves."""
    return pulumi.Output.all(**{one.name: one.secrets.host_key.public for one in machines}).apply(
        dict
    )


def _member(droplet: digitalocean.Droplet) -> pulumi.Output[Member]:
    known = pulumi.Output.all(
        droplet.name,
        droplet.id,
        droplet.created_at,
        droplet.ipv4_address_private,
        droplet.ipv4_address,
    )
    return known.apply(
        lambda it: Member(name=it[0], droplet=it[1], created=it[2], address=it[3], public=it[4])
    )
