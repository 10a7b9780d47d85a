"""A bootstrapped cluster, and the enrolment of its machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.cluster.bootstrap import Bootstrap
from infra.cluster.credentials import ClusterCredentials
from infra.cluster.enrolment import Enrolment
from infra.cluster.management_tokens import ManagementTokens
from infra.cluster.membership import Membership
from infra.cluster.readiness import Readiness
from infra.cluster.roster import Roster
from infra.cluster_api.members import Member
from infra.machine import Machine
from infra.mtls import Access
from infra.targeting import apply_if_created

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster whose ACLs are bootstrapped."""

    roster: Roster
    """Its id is the cluster's identity."""
    management: ManagementTokens
    bootstrap: Bootstrap
    primes: pulumi.Output[list[Member]]
    memberships: Sequence[Membership]
    """Of the primes."""
    snapshot_key: pulumi.Output[str]
    """Encrypts the snapshots that are taken before servers leave: 32 bytes, base64; secret."""
    timeout_s: int
    """Time for all members to join."""

    @property
    def access(self) -> pulumi.Output[Access]:
        """Access with management tokens; secret."""
        return self.bootstrap.access

    @property
    def consul(self) -> pulumi.Output[list[str]]:
        """URLs of the Consul servers; not secret."""
        return pulumi.Output.unsecret(
            apply_if_created(self.access, lambda access: access["consul"])
        )

    @property
    def nomad(self) -> pulumi.Output[list[str]]:
        """URLs of the Nomad servers; not secret."""
        return pulumi.Output.unsecret(apply_if_created(self.access, lambda access: access["nomad"]))

    def export_addresses(self) -> None:
        """Export the URLs of the servers as outputs of the stack."""
        pulumi.export("consul_addresses", self.consul)
        pulumi.export("nomad_addresses", self.nomad)

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
            access=self.access,
            cluster=self.roster.id,
            retired=pulumi.Output.all(self.management.retired, self.bootstrap.retired).apply(
                _merge_retired
            ),
            snapshot_key=self.snapshot_key,
            timeout=self.timeout_s,
            opts=pulumi.ResourceOptions(depends_on=list(enrolments)),
        )


def _merge_retired(resolved: Sequence[Any]) -> dict[str, list[str]]:
    """Merge what ``ManagementTokens`` and ``Bootstrap`` retired; an update may leave them out."""
    management, bootstrap = resolved
    retired = management or {"consul": [], "nomad": []}
    return {**retired, "consul": [*retired["consul"], *(bootstrap or ())]}


def enrol_prime(
    credentials: ClusterCredentials,
    machine: Machine,
    roster: Roster,
    parent: pulumi.Resource,
    after: Sequence[Enrolment],
) -> Enrolment:
    """Enrol a server of the cluster.

    Clients dial its private or its public address, so its certificate names both.

    Args:
        after: enrolments that have to end first.
    """
    return _enrol(
        credentials,
        machine,
        [LOOPBACK, machine.droplet.ipv4_address_private, machine.droplet.ipv4_address],
        roster,
        None,
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def enrol_worker(
    credentials: ClusterCredentials, machine: Machine, cluster: Cluster, parent: pulumi.Resource
) -> Enrolment:
    """Enrol a client agent of an existing cluster.

    Nothing dials a worker's API, so its certificate waits for no address.
    """
    return _enrol(
        credentials,
        machine,
        [LOOPBACK],
        cluster.roster,
        cluster,
        pulumi.ResourceOptions(parent=parent),
    )


def join_cluster(
    credentials: ClusterCredentials,
    machine: Machine,
    roster: Roster,
    bootstrap: Bootstrap,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> Membership:
    """Create the membership of an enrolled machine.

    With the cluster itself, memberships are deleted without any departure: when the stack is
    destroyed, or when a new cluster replaces it, as in another network.

    Args:
        after: what the machine leaves before, when it leaves.
    """
    return Membership(
        f"membership-{machine.label}",
        node=machine.node,
        droplet=machine.droplet.id,
        address=machine.droplet.ipv4_address,
        private_address=machine.droplet.ipv4_address_private,
        network=machine.droplet.vpc_uuid,
        prime_tag=credentials.prime_tag,
        tokens=machine.secrets.tokens,
        host_key=machine.secrets.host_key.public,
        enrol_key=credentials.secrets.enrol.private,
        access=bootstrap.access,
        drain_deadline=credentials.drain_deadline_s,
        max_unavailable=credentials.max_unavailable,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after), deleted_with=roster),
    )


def dns_names(machine: Machine) -> list[pulumi.Input[str]]:
    """Return the names that Consul and Nomad require in the certificate of an agent."""
    role = "server" if machine.node["role"] == "prime" else "client"
    return [
        f"{role}.{machine.node['datacenter']}.consul",
        f"{role}.global.nomad",
        "localhost",
        pulumi.Output.concat(machine.name, ".node.consul"),
    ]


def _enrol(
    credentials: ClusterCredentials,
    machine: Machine,
    addresses: Sequence[pulumi.Input[str]],
    roster: Roster,
    cluster: Cluster | None,
    opts: pulumi.ResourceOptions,
) -> Enrolment:
    node_secrets, secrets = machine.secrets, credentials.secrets
    identity = credentials.authority.issue_certificate(
        machine.label,
        dns_names=dns_names(machine),
        ip_addresses=addresses,
        uses=["server_auth", "client_auth"],
        trigger=machine.generation.number,
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
        cluster=roster.id if cluster else "",
        primes=roster.addresses,
        bootstrap_expect=0 if cluster else roster.bootstrap_expect(machine.droplet.id),
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
        access=cluster.access if cluster else None,
        timeout=credentials.timeout_s,
        opts=opts,
    )
