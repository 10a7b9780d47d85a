"""Nomad and Consul of this cluster, as providers of what lives in it."""

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.readiness import Readiness


def tenants(name: str, ready: Readiness, datacenter: str) -> tuple[pulumi.ResourceOptions, pulumi.ResourceOptions]:
    """Options of all that lives in Nomad, and of all that lives in Consul; components hand them on to their children.

    What lives in a cluster belongs to it. Another cluster (see ``Readiness``) brings other providers, and on these
    everything is made again. What goes with its provider is not deleted one by one: its cluster is gone, and nobody
    would answer. The trigger is in the state, so that an update which failed half-way is caught up by the next.
    """
    opts = pulumi.ResourceOptions(depends_on=[ready], replacement_trigger=ready.id)
    in_nomad = nomad.Provider(f"{name}-nomad", address=ready.nomad, opts=opts)
    in_consul = consul.Provider(f"{name}-consul", address=ready.consul, scheme="http", datacenter=datacenter, opts=opts)
    return _of(in_nomad, ready), _of(in_consul, ready)


def _of(provider: pulumi.ProviderResource, ready: Readiness) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(providers=[provider], deleted_with=provider, replacement_trigger=ready.id)
