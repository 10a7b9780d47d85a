"""The Nomad provider and the Consul provider of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.cluster.cluster import Cluster
from infra.cluster.readiness import Readiness
from infra.mtls import Credentials, find_answering_server, server_urls

PemKey = Literal["authority", "certificate", "key"]


@dataclass(frozen=True, kw_only=True)
class ClusterProviders:
    """Options for the resources in a cluster; components pass them on to their children."""

    nomad: pulumi.ResourceOptions
    consul: pulumi.ResourceOptions


def create_providers(
    name: str,
    cluster: Cluster,
    ready: Readiness,
    datacenter: str,
    certificate: pulumi.Output[Credentials],
    existing_servers: Sequence[str],
) -> ClusterProviders:
    """Create the providers, and the options that bind resources to them and to the cluster.

    A new cluster (see ``Roster``) replaces the providers and all their resources. The resources
    of a lost cluster are not deleted one by one, because nothing answers there. The replacement
    trigger is kept in the state, so an update completes what a failed update has left.

    Consul accepts entries as soon as the ACLs are bootstrapped. Nomad can run jobs only when the
    workers are ready, so its provider waits for ``ready``.

    Args:
        certificate: the operator's certificate.
        existing_servers: public addresses of the primes in the account. A preview uses them: with
            an unknown address the engine would predict an update of every resource in the cluster.
    """
    identity, management = cluster.roster.id, cluster.management
    existing = server_urls(existing_servers if pulumi.runtime.is_dry_run() else ())
    nomad_urls = pulumi.Output.from_input(existing["nomad"] or cluster.nomad)
    consul_urls = pulumi.Output.from_input(existing["consul"] or cluster.consul)

    def pem(key: PemKey) -> pulumi.Output[str]:
        return certificate.apply(lambda resolved: resolved[key])

    nomad_provider = nomad.Provider(
        f"{name}-nomad",
        address=nomad_urls.apply(find_answering_server),
        ca_pem=pem("authority"),
        cert_pem=pem("certificate"),
        key_pem=pem("key"),
        secret_id=management.nomad_token,
        opts=pulumi.ResourceOptions(depends_on=[ready], replacement_trigger=identity),
    )
    consul_provider = consul.Provider(
        f"{name}-consul",
        address=consul_urls.apply(find_answering_server).apply(
            lambda url: url.removeprefix("https://")
        ),
        scheme="https",
        datacenter=datacenter,
        ca_pem=pem("authority"),
        cert_pem=pem("certificate"),
        key_pem=pem("key"),
        token=management.consul_token,
        opts=pulumi.ResourceOptions(depends_on=[cluster.bootstrap], replacement_trigger=identity),
    )
    return ClusterProviders(
        nomad=_child_options(nomad_provider, cluster),
        consul=_child_options(consul_provider, cluster),
    )


def _child_options(provider: pulumi.ProviderResource, cluster: Cluster) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        providers=[provider], deleted_with=provider, replacement_trigger=cluster.roster.id
    )
