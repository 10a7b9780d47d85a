"""The Nomad provider and the Consul provider of a cluster."""

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.cluster.cluster import Cluster
from infra.cluster.readiness import Readiness

AccessKey = Literal["authority", "certificate", "key", "consul_token", "nomad_token"]


@dataclass(frozen=True, kw_only=True)
class ClusterProviders:
    """Options for the resources in a cluster; components pass them on to their children."""

    nomad: pulumi.ResourceOptions
    consul: pulumi.ResourceOptions


def create_providers(
    name: str, cluster: Cluster, ready: Readiness, datacenter: str
) -> ClusterProviders:
    """Create the providers, and the options that bind resources to them and to the cluster.

    A new cluster (see ``Bootstrap``) replaces the providers and all their resources. The resources
    of a lost cluster are not deleted one by one, because nothing answers there. The replacement
    trigger is kept in the state, so an update completes what a failed update has left.

    Consul accepts entries as soon as the ACLs are bootstrapped. Nomad can run jobs only when the
    workers are ready, so its provider waits for ``ready``.
    """
    bootstrap = cluster.bootstrap

    def access(key: AccessKey) -> pulumi.Output[str]:
        return bootstrap.access.apply(lambda resolved: resolved[key])

    nomad_provider = nomad.Provider(
        f"{name}-nomad",
        address=cluster.nomad,
        ca_pem=access("authority"),
        cert_pem=access("certificate"),
        key_pem=access("key"),
        secret_id=access("nomad_token"),
        opts=pulumi.ResourceOptions(depends_on=[ready], replacement_trigger=bootstrap.id),
    )
    consul_provider = consul.Provider(
        f"{name}-consul",
        address=cluster.consul.apply(lambda url: url.removeprefix("https://")),
        scheme="https",
        datacenter=datacenter,
        ca_pem=access("authority"),
        cert_pem=access("certificate"),
        key_pem=access("key"),
        token=access("consul_token"),
        opts=pulumi.ResourceOptions(replacement_trigger=bootstrap.id),
    )
    return ClusterProviders(
        nomad=_child_options(nomad_provider, cluster),
        consul=_child_options(consul_provider, cluster),
    )


def _child_options(provider: pulumi.ProviderResource, cluster: Cluster) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        providers=[provider], deleted_with=provider, replacement_trigger=cluster.bootstrap.id
    )
