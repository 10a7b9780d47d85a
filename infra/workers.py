"""Workers: the machines that run jobs."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster.cluster import Cluster, ClusterCredentials, enrol_worker
from infra.cluster.enrolment import Enrolment
from infra.cluster_api.members import Member
from infra.node import DropletTemplate, host_keys, machine, members


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    """How many workers, what they are made from, what they are given, and what they join."""

    count: int
    droplet_template: DropletTemplate
    credentials: ClusterCredentials
    cluster: Cluster


class Workers(pulumi.ComponentResource):
    """A Consul client and a Nomad client on each of ``count`` droplets, which are made beside the primes' and join when these are there."""

    droplets: list[digitalocean.Droplet]
    members: pulumi.Output[list[Member]]
    host_keys: pulumi.Output[dict[str, str]]
    """Public SSH host keys by machine."""
    enrolments: list[Enrolment]

    def __init__(
        self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Workers", name, None, opts)
        machines = [
            machine(args.droplet_template, number, args.credentials.secrets, parent=self)
            for number in range(1, args.count + 1)
        ]
        self.droplets = [one.droplet for one in machines]
        self.members = members(machines)
        self.host_keys = host_keys(machines)
        self.enrolments = [
            enrol_worker(args.credentials, one, args.cluster, parent=self) for one in machines
        ]
        self.register_outputs({"members": self.members, "host_keys": self.host_keys})
