"""A bootstrapped cluster, and the enrolment of its machines."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.cluster.bootstrap import Bootstrap
from infra.cluster.credentials import ClusterCredentials
from infra.cluster.enrolment import Enrolment
from infra.cluster.readiness import Readiness
from infra.cluster_api.members import Member
from infra.machine import Machine
from infra.targeting import apply_if_created

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster whose ACLs are bootstrapped."""

    bootstrap: Bootstrap
    """Its id is the cluster's identity."""
    primes: pulumi.Output[list[Member]]
    timeout_s: int
    """Time for all members to join."""

    @property
    def addresses(self) -> pulumi.Output[list[str]]:
        """Private addresses of the primes."""
        return private_addresses(self.primes)

    @property
    def consul(self) -> pulumi.Output[str]:
        """URL of a Consul server; not secret."""
        return pulumi.Output.unsecret(
            apply_if_created(self.bootstrap.access, lambda access: access["consul"])
        )

    @property
    def nomad(self) -> pulumi.Output[str]:
        """URL of a Nomad server; not secret."""
        return pulumi.Output.unsecret(
            apply_if_created(self.bootstrap.access, lambda access: access["nomad"])
        )

    def wait_until_ready(
        self,
        name: str,
        workers: pulumi.Output[list[Member]],
        enrolments: Sequence[Enrolment],
    ) -> Readiness:
        """Create a resource that exists when every member is enrolled and in the cluster."""
        return Readiness(
            name,
            primes=self.primes,
            workers=workers,
            access=self.bootstrap.access,
            cluster=self.bootstrap.id,
            retired=self.bootstrap.retired,
            timeout=self.timeout_s,
            opts=pulumi.ResourceOptions(depends_on=list(enrolments)),
        )


def private_addresses(members: pulumi.Output[list[Member]]) -> pulumi.Output[list[str]]:
    return members.apply(lambda resolved: [member["address"] for member in resolved])


def enrol_prime(
    credentials: ClusterCredentials,
    machine: Machine,
    primes: pulumi.Output[list[str]],
    count: int,
    parent: pulumi.Resource,
    after: Sequence[Enrolment],
) -> Enrolment:
    """Enrol a server of the cluster.

    Clients dial its private or its public address, so its certificate names both.

    Args:
        primes: private addresses of all primes.
        count: number of primes.
        after: enrolments that have to end first.
    """
    return _enrol(
        credentials,
        machine,
        [LOOPBACK, machine.droplet.ipv4_address_private, machine.droplet.ipv4_address],
        primes,
        count,
        None,
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def enrol_worker(
    credentials: ClusterCredentials, machine: Machine, cluster: Cluster, parent: pulumi.Resource
) -> Enrolment:
    """Enrol a client agent of an existing cluster.

    Nothing dials a worker's API, so its certificate waits for no address. The enrolment is not
    deleted separately when the cluster is: its tokens are deleted with the cluster.
    """
    return _enrol(
        credentials,
        machine,
        [LOOPBACK],
        cluster.addresses,
        1,
        cluster,
        pulumi.ResourceOptions(parent=parent, deleted_with=cluster.bootstrap),
    )


def dns_names(machine: Machine) -> list[str]:
    """Return the names that Consul and Nomad require in the certificate of an agent."""
    role = "server" if machine.node["role"] == "prime" else "client"
    return [
        f"{role}.{machine.node['datacenter']}.consul",
        f"{role}.global.nomad",
        "localhost",
        f"{machine.name}.node.consul",
    ]


def _enrol(
    credentials: ClusterCredentials,
    machine: Machine,
    addresses: Sequence[pulumi.Input[str]],
    primes: pulumi.Output[list[str]],
    bootstrap_expect: int,
    cluster: Cluster | None,
    opts: pulumi.ResourceOptions,
) -> Enrolment:
    node_secrets, secrets = machine.secrets, credentials.secrets
    identity = credentials.authority.issue_certificate(
        machine.label,
        dns_names=dns_names(machine),
        ip_addresses=addresses,
        uses=["server_auth", "client_auth"],
    )
    # Nomad's client agents do not gossip.
    gossip = (
        secrets.gossip.apply(lambda keys: {"consul": keys["consul"]}) if cluster else secrets.gossip
    )
    return Enrolment(
        f"enrolment-{machine.label}",
        node=machine.node,
        droplet=machine.droplet.id,
        address=machine.droplet.ipv4_address,
        cluster=cluster.bootstrap.id if cluster else "",
        primes=primes,
        bootstrap_expect=bootstrap_expect,
        identity=identity,
        gossip=gossip,
        tokens=pulumi.Output.all(node_secrets.tokens, secrets.dns).apply(
            lambda resolved: {**resolved[0], "dns": resolved[1]}
        ),
        host_keys=pulumi.Output.all(
            first=node_secrets.first_host_key.public,
            lasting=node_secrets.host_key.public,
            private=node_secrets.host_key.private,
        ),
        enrol_key=secrets.enrol.private,
        operator_key=credentials.operator_key,
        access=cluster.bootstrap.access if cluster else None,
        timeout=credentials.timeout_s,
        opts=opts,
    )
