"""The workers: droplets that run jobs, with a Consul and a Nomad client agent each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster.cluster import Cluster, enrol_worker, join_cluster
from infra.cluster.credentials import ClusterCredentials
from infra.cluster.enrolment import Enrolment
from infra.cluster_api.members import Member
from infra.drift.droplet_tag import DropletTag
from infra.droplet_template import DropletTemplate
from infra.machine import collect_addresses, collect_host_keys, collect_members, create_machine
from infra.names import Role
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    """Arguments of ``Workers``."""

    count: int
    droplet_template: DropletTemplate
    credentials: ClusterCredentials
    cluster: Cluster
    """The cluster that the workers join."""

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        templates: Mapping[Role, DropletTemplate],
        credentials: ClusterCredentials,
        cluster: Cluster,
    ) -> Self:
        return cls(
            count=settings.workers,
            droplet_template=templates["worker"],
            credentials=credentials,
            cluster=cluster,
        )


class Workers(pulumi.ComponentResource):
    """The droplets of the workers, and their enrolment.

    The droplets are created at the same time as those of the primes. The enrolments wait for the
    cluster's ACL bootstrap.
    """

    droplets: list[digitalocean.Droplet]
    members: pulumi.Output[list[Member]]
    host_keys: pulumi.Output[dict[str, str]]
    """Public SSH host keys by machine name."""
    addresses: pulumi.Output[dict[str, str]]
    """Private addresses by machine name."""
    enrolments: list[Enrolment]

    def __init__(
        self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Workers", name, None, opts)
        machines = [
            create_machine(args.droplet_template, number, args.credentials.secrets, parent=self)
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
        self.enrolments = [
            enrol_worker(args.credentials, machine, args.cluster, parent=self)
            for machine in machines
        ]
        for machine, enrolment in zip(machines, self.enrolments, strict=True):
            join_cluster(
                args.credentials,
                machine,
                args.cluster.roster,
                args.cluster.bootstrap,
                parent=self,
                # Old workers leave before old servers.
                after=[enrolment, *args.cluster.memberships],
            )
        self.register_outputs({"members": self.members, "host_keys": self.host_keys})
