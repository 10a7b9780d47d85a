"""Primes: the machines that keep the cluster's memory."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.cluster.bootstrap import Bootstrap
from infra.cluster.cluster import Cluster, ClusterCredentials, enrol_prime, private_addresses
from infra.cluster.enrolment import Enrolment
from infra.cluster_api.members import Member
from infra.node import DropletTemplate, host_keys, machine, members


@dataclass(frozen=True, kw_only=True)
class PrimesArgs:
    """How many primes, what they are made from, and what they are given."""

    count: int
    droplet_template: DropletTemplate
    credentials: ClusterCredentials


class Primes(pulumi.ComponentResource):
    """A Consul server and a Nomad server on each of 1, 3 or 5 droplets, which find each other and begin access control."""

    droplets: list[digitalocean.Droplet]
    members: pulumi.Output[list[Member]]
    host_keys: pulumi.Output[dict[str, str]]
    """Public SSH host keys by machine."""
    cluster: Cluster

    def __init__(
        self, name: str, args: PrimesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Primes", name, None, opts)
        credentials, secrets = args.credentials, args.credentials.secrets
        machines = [
            machine(args.droplet_template, number, secrets, parent=self)
            for number in range(1, args.count + 1)
        ]
        self.droplets = [one.droplet for one in machines]
        self.members = members(machines)
        self.host_keys = host_keys(machines)
        addresses = private_addresses(self.members)
        enrolments: list[Enrolment] = []
        for one in machines:  # one after another, because new tokens restart Nomad, and most of the servers have to be there
            enrolments.append(
                enrol_prime(
                    credentials, one, addresses, args.count, parent=self, after=enrolments[-1:]
                )
            )
        bootstrap = Bootstrap(
            f"{name}-bootstrap",
            primes=self.members,
            address=self.droplets[0].ipv4_address,
            credentials=credentials.authority.operator,
            secrets=secrets.bootstrap,
            gossip=secrets.gossip,
            dns=secrets.dns,
            tokens=pulumi.Output.all(**{one.name: one.secrets.tokens for one in machines}),
            services=credentials.services,
            datacenter=args.droplet_template.region,
            timeout=credentials.timeout,
            opts=pulumi.ResourceOptions(parent=self, depends_on=enrolments),
        )
        self.cluster = Cluster(bootstrap=bootstrap, primes=self.members)
        self.register_outputs({"members": self.members, "host_keys": self.host_keys})
