"""The first policies and tokens of a cluster, and its gossip keys.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api import consul_acl
from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.keyring import KEYRING_TIMEOUT_S, rotate_key
from infra.cluster_api.members import Member, wait_for_members
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials, access_for

COMPARED_INPUTS = (
    "cluster",
    "primes",
    "credentials",
    "management",
    "gossip",
    "dns",
    "tokens",
    "services",
    "datacenter",
)
"""A change of one of them causes an update; a change of the timeout does not."""


def ensure_acl(consul: Consul, props: Mapping[str, Any]) -> None:
    """Create the policies, the tokens of the primes and the DNS token, unless they exist."""
    consul_acl.ensure_policies(consul, props["services"])
    for tokens in props["tokens"]:
        consul_acl.ensure_node_tokens(
            consul, tokens["name"], props["datacenter"], tokens, consul_acl.NOMAD_SERVER_POLICY
        )
    consul_acl.ensure_dns_token(consul, props["dns"])


def issued_accessor_ids(props: Mapping[str, Any], names: Collection[str]) -> set[str]:
    """Return the accessor ids of the tokens that ``ensure_acl`` creates for these primes."""
    return {accessor_id(props["dns"])}.union(
        *(
            consul_acl.node_accessor_ids(tokens)
            for tokens in props["tokens"]
            if tokens["name"] in names
        )
    )


class BootstrapProvider(dynamic.ResourceProvider):
    """Creates policies and tokens, and replaces tokens and gossip keys on update.

    A deletion does nothing. An update does not revoke the tokens that it replaces: workers use them
    until their enrolment. It returns their accessor ids as ``retired``, and ``Readiness`` revokes
    them.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        access = _access(props)
        Retrier(props["timeout"]).run(
            "Consul's policies and tokens", partial(ensure_acl, Consul(access), props)
        )
        return dynamic.CreateResult(props["cluster"], _outputs(props, access, []))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS),
            replaces=["cluster"] if olds["cluster"] != news["cluster"] else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        access, retrier = _access(news), Retrier(news["timeout"])
        wait_for_members(access, [], [], news["timeout"])
        retrier.run("Consul's policies and tokens", partial(ensure_acl, Consul(access), news))
        for keyring in (Consul(access, KEYRING_TIMEOUT_S), Nomad(access, KEYRING_TIMEOUT_S)):
            agent = keyring.kind.lower()
            if (key := news["gossip"][agent]) != olds["gossip"][agent]:
                rotate_key(keyring, key, retrier)
        # A prime of an older generation uses its tokens until it leaves.
        names = {tokens["name"] for tokens in news["tokens"]}
        issued = issued_accessor_ids(news, names)
        retired = issued_accessor_ids(olds, names) - issued
        for accessor in set(olds["retired"]) - {*retired, *issued}:
            if retrier.run("retired tokens", partial(Consul(access).has_token, accessor)):
                retired.add(accessor)
        return dynamic.UpdateResult(_outputs(news, access, sorted(retired)))


def _access(props: Mapping[str, Any]) -> Access:
    return access_for(
        [prime["public"] for prime in props["primes"]],
        props["credentials"],
        props["management"]["consul"],
        props["management"]["nomad"],
    )


def _outputs(props: dict[str, Any], access: Access, retired: list[str]) -> dict[str, Any]:
    return {**{name: props[name] for name in COMPARED_INPUTS}, "access": access, "retired": retired}


class Bootstrap(dynamic.Resource, module="slipway", name="Bootstrap"):
    """A cluster with policies and tokens."""

    # At run time, the SDK would compare the values with the types and print a value that differs.
    if TYPE_CHECKING:
        access: pulumi.Output[Access]
        """Access with both management tokens; secret."""
        retired: pulumi.Output[Sequence[str]]
        """Accessor ids of replaced Consul tokens, for ``Readiness``."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        primes: pulumi.Input[Sequence[Member]],
        credentials: pulumi.Input[Credentials],
        management: pulumi.Input[Mapping[str, str]],
        gossip: pulumi.Input[Mapping[str, str]],
        dns: pulumi.Input[str],
        tokens: pulumi.Input[Sequence[Mapping[str, str]]],
        services: Sequence[str],
        datacenter: str,
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the bootstrap.

        Args:
            cluster: the cluster's identity. For another one, everything is created again.
            primes: the servers.
            credentials: the operator's certificate; secret.
            management: management tokens of ``consul`` and ``nomad``; secret.
            gossip: gossip keys of ``consul`` and ``nomad``, base64; secret.
            dns: DNS token, UUID; secret.
            tokens: ``name``, and the UUIDs ``agent`` and ``nomad``, of each prime; secret.
            services: Consul names of the services that Nomad's clients register.
            datacenter: Consul's datacenter.
            timeout: seconds for all requests together.
        """
        props = {
            "cluster": cluster,
            "primes": primes,
            "credentials": pulumi.Output.secret(credentials),
            "management": pulumi.Output.secret(management),
            "gossip": pulumi.Output.secret(gossip),
            "dns": pulumi.Output.secret(dns),
            "tokens": pulumi.Output.secret(tokens),
            "services": list(services),
            "datacenter": datacenter,
            "timeout": timeout,
            "access": None,
            "retired": None,
        }
        secret_outputs = pulumi.ResourceOptions(additional_secret_outputs=["access"])
        super().__init__(
            BootstrapProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret_outputs)
        )
