"""The templates of the droplets, one for each role."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi

from infra.firewalls import Firewalls
from infra.names import ROLES, Role
from infra.network import Network
from infra.settings import DEFAULT_TASK_DRIVER, Settings


@dataclass(frozen=True, kw_only=True)
class DropletTemplate:
    """What all droplets of a role have in common."""

    role: Role
    region: str
    size: str
    task_driver: str
    """Of the jobs. A prime runs none, so its driver is always the default."""
    vpc_cidr: IPv4Network
    vpc_id: pulumi.Input[str]
    tag: pulumi.Input[str]
    image: pulumi.Input[str]
    ssh_keys: Sequence[pulumi.Input[str]]
    """Fingerprints."""
    replacements: Mapping[str, int]
    """By slot, how often ``deploy replace`` has replaced its machine."""
    may_replace: Callable[[str], bool]
    """Whether this update may replace the machine in a slot."""
    depends_on: Sequence[pulumi.Resource]
    """The firewalls: they apply before a droplet can receive its first packet."""


def create_templates(
    settings: Settings, network: Network, firewalls: Firewalls, image: pulumi.Input[str]
) -> dict[Role, DropletTemplate]:
    """Return the template of each role."""
    return {
        role: DropletTemplate(
            role=role,
            region=settings.region,
            size=settings.droplet_size(role),
            task_driver=settings.task_driver if role == "worker" else DEFAULT_TASK_DRIVER,
            vpc_cidr=settings.vpc_cidr,
            vpc_id=network.vpc_id,
            tag=network.tags[role],
            image=image,
            ssh_keys=[network.ssh_key],
            replacements=settings.replace,
            may_replace=settings.may_replace,
            depends_on=firewalls.firewalls,
        )
        for role in ROLES
    }
