"""One machine of the cluster, a prime or a worker: its droplet and its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster_api.members import Member
from infra.digitalocean_api import connect
from infra.droplet_template import DropletTemplate
from infra.generation import Generation
from infra.names import droplet_name, machine_label
from infra.secrets import NodeSecrets, Secrets
from infra.user_data import cloud_config


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The current generation of a slot: a droplet and the secrets that only it has."""

    label: str
    """The slot, and logical name of the droplet: ``worker01``."""
    node: Mapping[str, pulumi.Input[str]]
    """Name, role, datacenter, VPC and task driver."""
    generation: Generation
    droplet: digitalocean.Droplet
    secrets: NodeSecrets

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the droplet and of the node, unknown in a preview that replaces the machine."""
        return self.generation.name


def create_machine(
    template: DropletTemplate, number: int, secrets: Secrets, parent: pulumi.Resource
) -> Machine:
    """Create machine ``number`` of a role; it waits for no other machine.

    A keeper that changes starts a new generation: the new droplet is created first, and the old
    one is deleted when its node has left the cluster. The keys in ``user_data`` and the account's
    SSH keys only matter at the first boot, so changes of them are ignored. A machine outside the
    batch keeps what it has.
    """
    label = machine_label(template.role, number)
    first_name = droplet_name(template.role, number, template.region)
    may_replace = template.may_replace(label)
    generation = Generation(
        f"generation-{label}",
        slot=label,
        first_name=first_name,
        tag=template.tag,
        keepers={
            "region": template.region,
            "size": template.size,
            "image": template.image,
            "task_driver": template.task_driver,
            "user_data": cloud_config("", "", ""),
            "vpc_id": template.vpc_id,
            "enrol_key": secrets.enrol.public,
            "replacements": str(template.replacements.get(label, 0)),
        },
        opts=pulumi.ResourceOptions(
            parent=parent, ignore_changes=[] if may_replace else ["keepers"]
        ),
    )
    node_secrets = secrets.create_node_secrets(label, generation.number)
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
        name=generation.name,
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
            ignore_changes=["user_data", "ssh_keys", *([] if may_replace else ["image", "size"])],
            replacement_trigger=generation.number,
            # Set explicitly: the provider would delete first, because the name is set.
            delete_before_replace=False,
            hooks=pulumi.ResourceHookBinding(before_create=[_taken_name_check(label)]),
        ),
    )
    node: dict[str, pulumi.Input[str]] = {
        "name": generation.name,
        "role": template.role,
        "datacenter": template.region,
        "vpc_cidr": str(template.vpc_cidr),
        "task_driver": template.task_driver,
    }
    return Machine(
        label=label, node=node, generation=generation, droplet=droplet, secrets=node_secrets
    )


def _taken_name_check(label: str) -> pulumi.ResourceHook:
    """Return a hook that refuses to create a droplet whose name another droplet of the stack has.

    ``pulumi up --replace`` of a droplet starts no new generation, so the new droplet would have
    the name of the old one. Two nodes of one name break Consul and Nomad. A killed update may
    also have left a droplet of this name, which ``python -m deploy up`` deletes first. Droplets
    of another stack, which have other tags, may have the same names.
    """

    def check(args: pulumi.ResourceHookArgs) -> None:
        inputs = args.new_inputs or {}
        name, tags = str(inputs["name"]), set(inputs.get("tags") or ())
        droplets = connect(pulumi.Config("digitalocean").get).list_all(
            "/v2/droplets", "droplets", name=name
        )
        if any(tags <= set(droplet.get("tags") or ()) for droplet in droplets):
            stack = pulumi.get_stack()
            raise pulumi.RunError(
                f"a droplet {name} exists: to replace this machine of the stack, run "
                f"`python -m deploy replace {stack} {name}`; if an interrupted update left the "
                f"droplet, run `python -m deploy up {stack}`"
            )

    return pulumi.ResourceHook(f"{label}-name-check", check)


def collect_members(machines: Sequence[Machine]) -> pulumi.Output[list[Member]]:
    """Return the machines as members of the cluster."""
    return pulumi.Output.all(*(_member(machine.droplet) for machine in machines)).apply(list)


def collect_host_keys(machines: Sequence[Machine]) -> pulumi.Output[dict[str, str]]:
    """Return the public SSH host key of each machine by its name."""
    pairs = [
        pulumi.Output.all(machine.name, machine.secrets.host_key.public) for machine in machines
    ]
    return pulumi.Output.all(*pairs).apply(dict)


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
