"""The cluster's own beginning: leaders are found, access control is begun, and the first policies and tokens are made."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi import dynamic

from infra.agents import Member
from infra.mtls import Access, Credentials


class BootstrapProvider(dynamic.ResourceProvider):
    """Begins access control on creation, changes keys and tokens on update."""

    serialize_as_secret_always = False


class Bootstrap(dynamic.Resource, module="slipway", name="Bootstrap"):
    """There when the cluster has leaders and knows its managers. Its id is the cluster's identity."""

    access: pulumi.Output[Access]
    """With both management tokens; secret."""
    retired: pulumi.Output[Sequence[str]]
    """Accessors of tokens that some node may still use; ``Readiness`` revokes them when no node does."""

    def __init__(
        self,
        name: str,
        *,
        primes: pulumi.Input[Sequence[Member]],
        address: pulumi.Input[str],
        credentials: pulumi.Input[Credentials],
        secrets: pulumi.Input[Mapping[str, str]],
        gossip: pulumi.Input[Mapping[str, str]],
        dns: pulumi.Input[str],
        tokens: pulumi.Input[Mapping[str, Mapping[str, str]]],
        datacenter: str,
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        address: public address of the prime that is asked.
        credentials: the operator's; secret.
        secrets: the management tokens that consul and nomad begin with, UUIDs; secret.
        gossip: the keys of consul and nomad, base64; secret.
        dns: the token of every agent's DNS, UUID; secret.
        tokens: agent and nomad of each prime by its name, UUIDs; secret.
        timeout: seconds that the leaders have.
        """
        props = {
            "primes": primes,
            "address": address,
            "credentials": pulumi.Output.secret(credentials),
            "secrets": pulumi.Output.secret(secrets),
            "gossip": pulumi.Output.secret(gossip),
            "dns": pulumi.Output.secret(dns),
            "tokens": pulumi.Output.secret(tokens),
            "datacenter": datacenter,
            "timeout": timeout,
            "access": None,
            "retired": None,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["access"])
        super().__init__(BootstrapProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
