"""Nomad and Consul of this cluster, as providers of what lives in it."""

from typing import Literal

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.cluster.cluster import Cluster
from infra.cluster.readiness import Readiness

Secret = Literal["authority", "certificate", "key", "consul_token", "nomad_token"]


def cluster_providers(
    name: str, cluster: Cluster, ready: Readiness, datacenter: str
) -> tuple[pulumi.ResourceOptions, pulumi.ResourceOptions]:
    """Options of all that lives in Nomad, and of all that lives in Consul; components hand them on to their children.

    What lives in a cluster belongs to it. Another cluster (see ``Bootstrap``) brings other providers, and on these
    everything is made again. What goes with its provider is not deleted one by one: its cluster is gone, and nobody
    would answer. The trigger is in the state, so that an update which failed half-way is caught up by the next.

    Consul's memory is there as soon as the cluster has begun; in Nomad nothing can run before it has its workers.
    """

    begun = cluster.bootstrap

    def shown(word: Secret) -> pulumi.Output[str]:
        return begun.access.apply(lambda access: access[word])

    in_nomad = nomad.Provider(
        f"{name}-nomad",
        address=cluster.nomad,
        ca_pem=shown("authority"),
        cert_pem=shown("certificate"),
        key_pem=shown("key"),
        secret_id=shown("nomad_token"),
        opts=pulumi.ResourceOptions(depends_on=[ready], replacement_trigger=begun.id),
    )
    in_consul = consul.Provider(
        f"{name}-consul",
        address=cluster.consul.apply(lambda url: url.removeprefix("https://")),
        scheme="https",
        datacenter=datacenter,
        ca_pem=shown("authority"),
        cert_pem=shown("certificate"),
        key_pem=shown("key"),
        token=shown("consul_token"),
        opts=pulumi.ResourceOptions(replacement_trigger=begun.id),
    )
    return _of(in_nomad, cluster), _of(in_consul, cluster)


def _of(provider: pulumi.ProviderResource, cluster: Cluster) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        providers=[provider], deleted_with=provider, replacement_trigger=cluster.bootstrap.id
    )
