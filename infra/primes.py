"""The primes: droplets with a Consul server and a Nomad server each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster.bootstrap import Bootstrap
from infra.cluster.cluster import Cluster, enrol_prime, join_cluster
from infra.cluster.credentials import ClusterCredentials
from infra.cluster.enrolment import Enrolment
from infra.cluster.management_tokens import ManagementTokens
from infra.cluster.roster import Roster
from infra.cluster_api.members import Member
from infra.drift.droplet_tag import DropletTag
from infra.droplet_template import DropletTemplate
from infra.machine import (
    Machine,
    collect_addresses,
    collect_host_keys,
    collect_members,
    create_machine,
)
from infra.names import Role
from infra.settings import Settings
from infra.targeting import apply_if_created


@dataclass(frozen=True, kw_only=True)
class PrimesArgs:
    """Arguments of ``Primes``."""

    count: int
    """1, 3 or 5, for a quorum of servers."""
    droplet_template: DropletTemplate
    credentials: ClusterCredentials

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        templates: Mapping[Role, DropletTemplate],
        credentials: ClusterCredentials,
    ) -> Self:
        return cls(
            count=settings.primes, droplet_template=templates["prime"], credentials=credentials
        )


class Primes(pulumi.ComponentResource):
    """The droplets of the primes, their enrolment, and the bootstrap of the cluster's ACLs."""

    droplets: list[digitalocean.Droplet]
    members: pulumi.Output[list[Member]]
    host_keys: pulumi.Output[dict[str, str]]
    """Public SSH host keys by machine name."""
    addresses: pulumi.Output[dict[str, str]]
    """Private addresses by machine name."""
    cluster: Cluster

    def __init__(
        self, name: str, args: PrimesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Primes", name, None, opts)
        credentials, secrets = args.credentials, args.credentials.secrets
        machines = [
            create_machine(args.droplet_template, number, secrets, parent=self)
            for number in range(1, args.count + 1)
        ]
        self.droplets = [machine.droplet for machine in machines]
        DropletTag(
            f"{name}-tag",
            tag=args.droplet_template.tag,
            droplets=[droplet.id for droplet in self.droplets],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.members = collect_members(machines)
        self.host_keys = collect_host_keys(machines)
        self.addresses = collect_addresses(self.members)
        roster = Roster(
            f"{name}-roster",
            servers=self.members,
            network=args.droplet_template.vpc_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # One prime at a time: new tokens restart Nomad, and a quorum of servers has to stay up.
        enrolments: list[Enrolment] = []
        for machine in machines:
            enrolments.append(
                enrol_prime(credentials, machine, roster, parent=self, after=enrolments[-1:])
            )
        management = ManagementTokens(
            f"{name}-management-tokens",
            cluster=roster.id,
            primes=self.members,
            credentials=credentials.authority.operator,
            secrets=secrets.bootstrap,
            timeout=credentials.timeout_s,
            opts=pulumi.ResourceOptions(parent=self, depends_on=enrolments),
        )
        bootstrap = Bootstrap(
            f"{name}-bootstrap",
            cluster=roster.id,
            primes=self.members,
            credentials=credentials.authority.operator,
            management=pulumi.Output.all(
                consul=management.consul_token, nomad=management.nomad_token
            ),
            gossip=secrets.gossip,
            dns=secrets.dns,
            tokens=pulumi.Output.all(*map(_named_tokens, machines)),
            services=credentials.services,
            datacenter=args.droplet_template.region,
            timeout=credentials.timeout_s,
            opts=pulumi.ResourceOptions(parent=self, depends_on=enrolments),
        )
        memberships = [
            join_cluster(credentials, machine, roster, bootstrap, parent=self, after=[enrolment])
            for machine, enrolment in zip(machines, enrolments, strict=True)
        ]
        self.cluster = Cluster(
            roster=roster,
            management=management,
            bootstrap=bootstrap,
            primes=self.members,
            memberships=memberships,
            snapshot_key=secrets.snapshot,
            timeout_s=credentials.timeout_s,
        )
        self.register_outputs({"members": self.members, "host_keys": self.host_keys})


def _named_tokens(machine: Machine) -> pulumi.Output[dict[str, str]]:
    tokens: pulumi.Output[dict[str, str]] = machine.secrets.tokens
    return machine.name.apply(
        lambda name: apply_if_created(tokens, lambda resolved: {"name": name, **resolved})
    )
