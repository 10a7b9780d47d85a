"""The VPC, the tags of the roles and the SSH key of the droplets."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.names import ROLES, Role, network_name, role_tag
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Arguments of ``Network``."""

    prefix: str
    """Start of all names and tags of the stack."""
    region: str
    vpc_cidr: IPv4Network
    enrol_key: pulumi.Input[str]
    """Public half of the enrolment key, OpenSSH."""

    @classmethod
    def from_settings(cls, prefix: str, settings: Settings, enrol_key: pulumi.Input[str]) -> Self:
        return cls(
            prefix=prefix,
            region=settings.region,
            vpc_cidr=settings.vpc_cidr,
            enrol_key=enrol_key,
        )


class Network(pulumi.ComponentResource):
    """A VPC, a tag for each role, and an SSH key."""

    vpc_id: pulumi.Output[str]
    tags: dict[Role, pulumi.Output[str]]
    ssh_key: pulumi.Output[str]
    """Fingerprint."""

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc = digitalocean.Vpc(
            f"{name}-vpc",
            name=network_name(args.prefix, args.region, args.vpc_cidr),
            region=args.region,
            ip_range=str(args.vpc_cidr),
            # Set explicitly: the provider would delete first, because the name is set.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        self.vpc_id = vpc.id
        self.tags = {
            role: digitalocean.Tag(
                f"{name}-{role}", name=role_tag(args.prefix, role), opts=child
            ).name
            for role in ROLES
        }
        # DigitalOcean sets a root password for a droplet without an SSH key, and mails it.
        self.ssh_key = digitalocean.SshKey(
            f"{name}-key", name=args.prefix, public_key=args.enrol_key, opts=child
        ).fingerprint
        self.register_outputs(
            {"vpc_id": self.vpc_id, "tags": {**self.tags}, "ssh_key": self.ssh_key}
        )
