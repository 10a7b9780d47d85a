"""The ACL bootstrap of a cluster: leaders, management tokens, and the first policies and tokens.

The resource's id is the cluster's identity: the droplet ids of the primes at the bootstrap. If all
primes are new, the cluster's data is lost and the cluster is a new one. If some primes or workers
change, it stays the same.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api import consul as consul_api
from infra.cluster_api import consul_acl
from infra.cluster_api import nomad as nomad_api
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import MANAGEMENT_POLICY, Consul, accessor_id
from infra.cluster_api.keyring import KEYRING_TIMEOUT_S, rotate_key
from infra.cluster_api.members import Member, droplet_ids, wait_for_members
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials

COMPARED_INPUTS = (
    "primes",
    "address",
    "credentials",
    "secrets",
    "gossip",
    "dns",
    "tokens",
    "services",
    "datacenter",
)
"""A change of one of them causes an update; a change of the timeout does not."""

CONSUL_HTTPS_PORT = 8501
NOMAD_HTTPS_PORT = 4646


class BootstrapError(Exception):
    """The ACLs have another management token than the stack's; the message names the remedy."""


def access_for(props: Mapping[str, Any], consul_token: str, nomad_token: str) -> Access:
    """Return the access to the cluster with these tokens."""
    address, credentials = props["address"], props["credentials"]
    return Access(
        consul=f"https://{address}:{CONSUL_HTTPS_PORT}",
        nomad=f"https://{address}:{NOMAD_HTTPS_PORT}",
        authority=credentials["authority"],
        certificate=credentials["certificate"],
        key=credentials["key"],
        consul_token=consul_token,
        nomad_token=nomad_token,
    )


def bootstrap_acl(api: Consul | Nomad, reset_file: str, retrier: Retrier) -> None:
    """Bootstrap the ACLs with the client's token, unless it is already a management token.

    Args:
        reset_file: the file on a server that permits a second bootstrap.

    Raises:
        BootstrapError: the management token is another one.
        AgentError: the agent does not answer in time.
    """

    def attempt() -> None:
        try:
            api.bootstrap_acl()
        except AgentError as error:
            if error.is_transient:
                raise
            if not api.has_management_token():
                raise BootstrapError(
                    f"{error}, and the cluster does not know this stack's management token: "
                    "another party bootstrapped the ACLs, or the stack's state is out of date. "
                    "Replace the primes to remove that party's management token. If no other "
                    "party can have reached the cluster, write the reset index above into "
                    f"{reset_file} on the leader, and run the update again"
                ) from error

    retrier.run(f"{api.kind}'s ACL bootstrap", attempt)


def ensure_acl(consul: Consul, props: Mapping[str, Any]) -> None:
    """Create the policies, the tokens of the primes and the DNS token, unless they exist."""
    consul_acl.ensure_policies(consul, props["services"])
    for name, tokens in props["tokens"].items():
        consul_acl.ensure_node_tokens(
            consul, name, props["datacenter"], tokens, consul_acl.NOMAD_SERVER_POLICY
        )
    consul_acl.ensure_dns_token(consul, props["dns"])


def issued_accessor_ids(props: Mapping[str, Any]) -> set[str]:
    """Return the accessor ids of the tokens that ``ensure_acl`` creates."""
    return {accessor_id(props["dns"])}.union(
        *(consul_acl.node_accessor_ids(tokens) for tokens in props["tokens"].values())
    )


def rotate_management_tokens(
    news: Mapping[str, Any], olds: Mapping[str, Any], retrier: Retrier
) -> tuple[Access, dict[str, list[str]]]:
    """Create new management tokens where ``secrets`` changed, and verify them.

    Consul accepts a given secret. Nomad accepts one only at the bootstrap: for a later token it
    generates the secret. The token's name contains a hash of the declared secret, so a repeated
    rotation finds the token again.

    Returns:
        The access with the new tokens, and the accessor ids of the old ones by agent.

    Raises:
        BootstrapError: a token is no management token.
        AgentError: an agent refuses, or does not answer in time.
    """
    old_access = olds["access"]
    access = access_for(news, old_access["consul_token"], old_access["nomad_token"])
    retired: dict[str, list[str]] = {"consul": [], "nomad": []}
    if (secret := news["secrets"]["consul"]) != olds["secrets"]["consul"]:
        consul = Consul(access)
        retired["consul"] = [retrier.run("Consul's old management token", consul.own_accessor_id)]
        retrier.run(
            "Consul's management token",
            lambda: consul.ensure_token(secret, "Manager", policies=[MANAGEMENT_POLICY]),
        )
        access["consul_token"] = secret
    if (secret := news["secrets"]["nomad"]) != olds["secrets"]["nomad"]:
        nomad = Nomad(access)
        retired["nomad"] = [retrier.run("Nomad's old management token", nomad.own_accessor_id)]
        access["nomad_token"] = retrier.run(
            "Nomad's management token",
            lambda: nomad.ensure_management_token(f"manager {accessor_id(secret)}"),
        )
    for api in (Consul(access), Nomad(access)):
        if not retrier.run(f"{api.kind}'s management token", api.has_management_token):
            raise BootstrapError(
                f"{api.location} does not know this stack's management token; "
                "replace this resource to bootstrap the ACLs again"
            )
    return access, retired


class BootstrapProvider(dynamic.ResourceProvider):
    """Bootstraps the ACLs on creation, and rotates keys and tokens on update.

    A deletion does nothing. An update does not revoke the tokens that it replaces: workers use them
    until their enrolment, and the state must contain a new management token before the old one is
    revoked. It returns their accessor ids as ``retired``, and ``Readiness`` revokes them.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        access = access_for(props, props["secrets"]["consul"], props["secrets"]["nomad"])
        wait_for_members(access, [], [], props["timeout"])
        retrier, consul = Retrier(props["timeout"]), Consul(access)
        bootstrap_acl(consul, consul_api.ACL_RESET_FILE, retrier)
        bootstrap_acl(Nomad(access), nomad_api.ACL_RESET_FILE, retrier)
        retrier.run("Consul's policies and tokens", partial(ensure_acl, consul, props))
        return dynamic.CreateResult(
            "-".join(sorted(droplet_ids(props["primes"]))),
            _outputs(props, access, {"consul": [], "nomad": []}),
        )

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        is_new_cluster = not droplet_ids(olds.get("primes")) & droplet_ids(news.get("primes"))
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS),
            replaces=["primes"] if is_new_cluster else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        wait_for_members(access_for(news, "", ""), [], [], news["timeout"])
        retrier = Retrier(news["timeout"])
        access, retired = rotate_management_tokens(news, olds, retrier)
        retrier.run("Consul's policies and tokens", partial(ensure_acl, Consul(access), news))
        for keyring in (Consul(access, KEYRING_TIMEOUT_S), Nomad(access, KEYRING_TIMEOUT_S)):
            agent = keyring.kind.lower()
            if (key := news["gossip"][agent]) != olds["gossip"][agent]:
                rotate_key(keyring, key, retrier)
        issued = issued_accessor_ids(news)
        retired["consul"] += sorted(issued_accessor_ids(olds) - issued)
        for api in (Consul(access), Nomad(access)):
            agent = api.kind.lower()
            for accessor in set(olds["retired"][agent]) - {*retired[agent], *issued}:
                if retrier.run(f"{api.kind}'s retired tokens", partial(api.has_token, accessor)):
                    retired[agent].append(accessor)
        return dynamic.UpdateResult(_outputs(news, access, retired))


def _outputs(
    props: dict[str, Any], access: Access, retired: dict[str, list[str]]
) -> dict[str, Any]:
    return {**{name: props[name] for name in COMPARED_INPUTS}, "access": access, "retired": retired}


class Bootstrap(dynamic.Resource, module="slipway", name="Bootstrap"):
    """A cluster with leaders, management tokens and policies. Its id is the cluster's identity."""

    # At run time, the SDK would compare the values with the types and print a value that differs.
    if TYPE_CHECKING:
        access: pulumi.Output[Access]
        """Access with both management tokens; secret."""
        retired: pulumi.Output[Mapping[str, Sequence[str]]]
        """Accessor ids of replaced tokens by agent (``consul``, ``nomad``), for ``Readiness``."""

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
        services: Sequence[str],
        datacenter: str,
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the bootstrap.

        Args:
            primes: the servers.
            address: public address of the server that receives the requests.
            credentials: the operator's certificate; secret.
            secrets: initial management tokens of ``consul`` and ``nomad``, UUIDs; secret.
            gossip: gossip keys of ``consul`` and ``nomad``, base64; secret.
            dns: DNS token, UUID; secret.
            tokens: ``agent`` and ``nomad`` of each prime by its name, UUIDs; secret.
            services: Consul names of the services that Nomad's clients register.
            datacenter: Consul's datacenter.
            timeout: seconds for the election of leaders, and for all requests together.
        """
        props = {
            "primes": primes,
            "address": address,
            "credentials": pulumi.Output.secret(credentials),
            "secrets": pulumi.Output.secret(secrets),
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
