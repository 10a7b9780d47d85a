"""The management tokens of a cluster: created by the ACL bootstrap, and replaced by a rotation.

They are a resource of their own, so that a preview knows them when the servers change.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api import consul as consul_api
from infra.cluster_api import nomad as nomad_api
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import MANAGEMENT_POLICY, Consul, accessor_id
from infra.cluster_api.members import Member, wait_for_members
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials, access_for


class BootstrapError(Exception):
    """The ACLs have another management token than the stack's; the message names the remedy."""


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
    access = _access(news, olds["consul_token"], olds["nomad_token"])
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


class ManagementTokensProvider(dynamic.ResourceProvider):
    """Bootstraps the ACLs on creation, and replaces tokens on update. A deletion does nothing.

    An update does not revoke the tokens that it replaces: the state must contain a new one before
    the old one is revoked. It returns their accessor ids as ``retired``, and ``Readiness`` revokes
    them.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        access = _access(props, props["secrets"]["consul"], props["secrets"]["nomad"])
        wait_for_members(access, [], [], props["timeout"])
        retrier = Retrier(props["timeout"])
        bootstrap_acl(Consul(access), consul_api.ACL_RESET_FILE, retrier)
        bootstrap_acl(Nomad(access), nomad_api.ACL_RESET_FILE, retrier)
        return dynamic.CreateResult(
            props["cluster"], _outputs(props, access, {"consul": [], "nomad": []})
        )

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        is_new_cluster = olds["cluster"] != news["cluster"]
        return dynamic.DiffResult(
            changes=is_new_cluster or olds["secrets"] != news["secrets"],
            replaces=["cluster"] if is_new_cluster else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        # The enrolment of a prime restarts Nomad, which knows no token until it has a leader.
        wait_for_members(
            _access(news, olds["consul_token"], olds["nomad_token"]), [], [], news["timeout"]
        )
        retrier = Retrier(news["timeout"])
        access, retired = rotate_management_tokens(news, olds, retrier)
        for api in (Consul(access), Nomad(access)):
            agent = api.kind.lower()
            for accessor in set(olds["retired"][agent]) - set(retired[agent]):
                if retrier.run(f"{api.kind}'s retired tokens", partial(api.has_token, accessor)):
                    retired[agent].append(accessor)
        return dynamic.UpdateResult(_outputs(news, access, retired))


def _access(props: Mapping[str, Any], consul_token: str, nomad_token: str) -> Access:
    return access_for(
        [prime["public"] for prime in props["primes"]],
        props["credentials"],
        consul_token,
        nomad_token,
    )


def _outputs(
    props: dict[str, Any], access: Access, retired: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        **props,
        "consul_token": access["consul_token"],
        "nomad_token": access["nomad_token"],
        "retired": retired,
    }


class ManagementTokens(dynamic.Resource, module="slipway", name="ManagementTokens"):
    """The management tokens of Consul and Nomad."""

    # At run time, the SDK would compare the values with the types and print a value that differs.
    if TYPE_CHECKING:
        consul_token: pulumi.Output[str]
        """Secret."""
        nomad_token: pulumi.Output[str]
        """Secret."""
        retired: pulumi.Output[Mapping[str, Sequence[str]]]
        """Accessor ids of replaced tokens of ``consul`` and ``nomad``, for ``Readiness``."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        primes: pulumi.Input[Sequence[Member]],
        credentials: pulumi.Input[Credentials],
        secrets: pulumi.Input[Mapping[str, str]],
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the tokens.

        Args:
            cluster: the cluster's identity. Another one is bootstrapped again.
            primes: the servers. A change of them changes no token.
            credentials: the operator's certificate; secret.
            secrets: initial management tokens of ``consul`` and ``nomad``, UUIDs; secret.
            timeout: seconds for the election of leaders, and for all requests together.
        """
        props = {
            "cluster": cluster,
            "primes": primes,
            "credentials": pulumi.Output.secret(credentials),
            "secrets": pulumi.Output.secret(secrets),
            "timeout": timeout,
            "consul_token": None,
            "nomad_token": None,
            "retired": None,
        }
        secret_outputs = pulumi.ResourceOptions(
            additional_secret_outputs=["consul_token", "nomad_token"]
        )
        super().__init__(
            ManagementTokensProvider(),
            name,
            props,
            pulumi.ResourceOptions.merge(opts, secret_outputs),
        )
