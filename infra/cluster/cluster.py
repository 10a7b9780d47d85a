"""How a machine comes to be trusted: it gets a certificate, and over SSH all that makes it a node of the cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import pulumi

from infra import names
from infra.authority import Authority, AuthorityArgs
from infra.cluster.bootstrap import Bootstrap
from infra.cluster.enrolment import Enrolment
from infra.cluster.readiness import Readiness
from infra.cluster_api.members import Member
from infra.node import Machine
from infra.secrets import Secrets
from infra.settings import Settings
from infra.targeting import apply_if_created

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class ClusterCredentials:
    """What the stack has to give to its machines."""

    authority: Authority
    secrets: Secrets
    services: Sequence[str]
    """Names in Consul of what the jobs offer."""
    operator_key: str | None
    """The administrator's public SSH key."""
    timeout: int
    """Seconds that a machine has to take what it is given, and the cluster to have leaders."""

    @classmethod
    def of(cls, prefix: str, settings: Settings, services: Sequence[str]) -> Self:
        """An authority and secrets of the stack's own, which are made before anything else."""
        authority = Authority(names.AUTHORITY, AuthorityArgs(prefix=prefix))
        return cls(
            authority=authority,
            secrets=Secrets(names.SECRETS),
            services=services,
            operator_key=settings.ssh_public_key,
            timeout=settings.ready_timeout,
        )


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that has begun, for whoever joins it or lives in it."""

    bootstrap: Bootstrap
    """Its id is the cluster's identity."""
    primes: pulumi.Output[list[Member]]

    @property
    def addresses(self) -> pulumi.Output[list[str]]:
        """Private addresses of the primes."""
        return private_addresses(self.primes)

    @property
    def consul(self) -> pulumi.Output[str]:
        """URL of a Consul server; no secret."""
        return pulumi.Output.unsecret(
            apply_if_created(self.bootstrap.access, lambda access: access["consul"])
        )

    @property
    def nomad(self) -> pulumi.Output[str]:
        """URL of a Nomad server; no secret."""
        return pulumi.Output.unsecret(
            apply_if_created(self.bootstrap.access, lambda access: access["nomad"])
        )

    def whole(
        self,
        name: str,
        workers: pulumi.Output[list[Member]],
        enrolments: Sequence[Enrolment],
        timeout: int,
    ) -> Readiness:
        """The cluster with all its members, each of which has been given what it has to have."""
        return Readiness(
            name,
            primes=self.primes,
            workers=workers,
            access=self.bootstrap.access,
            cluster=self.bootstrap.id,
            retired=self.bootstrap.retired,
            timeout=timeout,
            opts=pulumi.ResourceOptions(depends_on=list(enrolments)),
        )


def private_addresses(members: pulumi.Output[list[Member]]) -> pulumi.Output[list[str]]:
    return members.apply(lambda known: [member["address"] for member in known])


def enrol_prime(
    credentials: ClusterCredentials,
    machine: Machine,
    primes: pulumi.Output[list[str]],
    count: int,
    parent: pulumi.Resource,
    after: Sequence[Enrolment],
) -> Enrolment:
    """A node that makes the cluster, together with the other primes.

    The certificate names both addresses, because whoever dials one of them has to find it there.
    """
    addresses: list[pulumi.Input[str]] = [
        LOOPBACK,
        machine.droplet.ipv4_address_private,
        machine.droplet.ipv4_address,
    ]
    return _enrol(
        credentials,
        machine,
        addresses,
        primes,
        count,
        None,
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def enrol_worker(
    credentials: ClusterCredentials, machine: Machine, cluster: Cluster, parent: pulumi.Resource
) -> Enrolment:
    """A node that joins a cluster which is there. Nobody dials a worker, so its certificate waits for no address.

    Its tokens go with their cluster.
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
    """Under which names Consul and Nomad look for each other's agents, with their own words for the roles."""
    role = "server" if machine.facts["role"] == "prime" else "client"
    return [
        f"{role}.{machine.facts['datacenter']}.consul",
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
    own, secrets = machine.secrets, credentials.secrets
    shown = credentials.authority.certificate(
        machine.label,
        dns_names=dns_names(machine),
        ip_addresses=addresses,
        uses=["server_auth", "client_auth"],
    )
    return Enrolment(
        f"enrolment-{machine.label}",
        node=machine.facts,
        droplet=machine.droplet.id,
        address=machine.droplet.ipv4_address,
        cluster=cluster.bootstrap.id if cluster else "",
        primes=primes,
        bootstrap_expect=bootstrap_expect,
        identity=shown.apply(
            lambda pem: {
                "authority": pem["authority"],
                "certificate": pem["certificate"],
                "key": pem["key"],
            }
        ),
        # Nomad's clients do not gossip.
        gossip=secrets.gossip.apply(lambda keys: {"consul": keys["consul"]})
        if cluster
        else secrets.gossip,
        tokens=pulumi.Output.all(own.tokens, secrets.dns).apply(
            lambda known: {**known[0], "dns": known[1]}
        ),
        host_keys=pulumi.Output.all(
            first=own.first_host_key.public,
            lasting=own.host_key.public,
            private=own.host_key.private,
        ),
        enrol_key=secrets.enrol.private,
        operator_key=credentials.operator_key,
        access=cluster.bootstrap.access if cluster else None,
        timeout=credentials.timeout,
        opts=opts,
    )
