"""One machine of the cluster, a prime or a worker: its droplet and its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster_api.members import Member
from infra.droplet_template import DropletTemplate
from infra.names import droplet_name, machine_label
from infra.secrets import NodeSecrets, Secrets
from infra.user_data import cloud_config


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A droplet and the secrets that only it has."""

    label: str
    """Logical name of the droplet: ``worker01``."""
    node: Mapping[str, str]
    """Name, role, datacenter, VPC and task driver. A change of one replaces the droplet."""
    droplet: digitalocean.Droplet
    secrets: NodeSecrets

    @property
    def name(self) -> str:
        return self.node["name"]


def create_machine(
    template: DropletTemplate, number: int, secrets: Secrets, parent: pulumi.Resource
) -> Machine:
    """Create machine ``number`` of a role; it waits for no other machine.

    A new ``node``, enrolment key, image or VPC replaces the droplet and its first host key.
    ``user_data`` and the account's SSH keys only matter at the first boot, so changes of them are
    ignored. The old droplet is deleted first: a cluster cannot have two members of one name.
    """
    label = machine_label(template.role, number)
    node = {
        "name": droplet_name(template.role, number, template.region),
        "role": template.role,
        "datacenter": template.region,
        "vpc_cidr": str(template.vpc_cidr),
        "task_driver": template.task_driver,
    }
    trigger = {**node, "enrolled_by": secrets.enrol.public}
    node_secrets = secrets.create_node_secrets(
        label, {**trigger, "image": template.image, "vpc_id": template.vpc_id}
    )
    keys = pulumi.Output.all(
        node_secrets.first_host_key.private,
        node_secrets.first_host_key.public,
        secrets.enrol.public,
    )
    user_data: pulumi.Output[str] = pulumi.Output.secret(
        keys.apply(lambda resolved: cloud_config(*resolved))
    )
    droplet = digitalocean.Droplet(
        label,
        name=node["name"],
        region=template.region,
        size=template.size,
        image=template.image,
        droplet_agent=False,
        vpc_uuid=template.vpc_id,
        ssh_keys=list(template.ssh_keys),
        tags=[template.tag],
        user_data=user_data,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(template.depends_on),
            ignore_changes=["user_data", "ssh_keys"],
            replacement_trigger=trigger,
            delete_before_replace=True,
        ),
    )
    return Machine(label=label, node=node, droplet=droplet, secrets=node_secrets)


def collect_members(machines: Sequence[Machine]) -> pulumi.Output[list[Member]]:
    """Return the machines as members of the cluster."""
    return pulumi.Output.all(*(_member(machine.droplet) for machine in machines)).apply(list)


def collect_host_keys(machines: Sequence[Machine]) -> pulumi.Output[dict[str, str]]:
    """Return the public SSH host key of each machine by its name."""
    return pulumi.Output.all(
        **{machine.name: machine.secrets.host_key.public for machine in machines}
    ).apply(dict)


def collect_addresses(
    members: pulumi.Output[list[Member]],
) -> pulumi.Output[dict[str, str]]:
    """Return the private address of each member by its name."""
    return members.apply(lambda resolved: {m["name"]: m["address"] for m in resolved})


def merge_outputs(*outputs: pulumi.Output[dict[str, str]]) -> pulumi.Output[dict[str, str]]:
    """Return one dictionary with the items of all ``outputs``."""
    return pulumi.Output.all(*outputs).apply(
        lambda resolved: {key: value for output in resolved for key, value in output.items()}
    )


def _member(droplet: digitalocean.Droplet) -> pulumi.Output[Member]:
    return pulumi.Output.all(
        droplet.name,
        droplet.id,
        droplet.created_at,
        droplet.ipv4_address_private,
        droplet.ipv4_address,
    ).apply(
        lambda resolved: Member(
            name=resolved[0],
            droplet=resolved[1],
            created=resolved[2],
            address=resolved[3],
            public=resolved[4],
        )
    )
