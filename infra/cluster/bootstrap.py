"""The cluster's own beginning: leaders are found, access control is begun, and the first policies and tokens are made.

Its id is the cluster's identity. A cluster is another one when none of its primes is left, for then its memory is gone;
a worker that comes or goes, or a prime among several, leaves it the same.

A dynamic provider runs in a process of its own and is kept in the state by name; it uses the declared inputs only.
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
from infra.cluster_api.consul import MANAGEMENT, Consul, accessor
from infra.cluster_api.keyring import CONNECT_TIMEOUT_S, change_key
from infra.cluster_api.members import Member, droplets, wait
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials

COMPARED = (
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
"""What makes a difference; a changed timeout makes none."""

CONSUL, NOMAD = 8501, 4646
"""Ports of the primes' HTTPS."""


class BootstrapError(Exception):
    """Access control was begun by somebody else, or nobody knows its managers; the message says what to do."""


def access_for(props: Mapping[str, Any], consul_token: str, nomad_token: str) -> Access:
    """How the cluster is asked with these tokens."""
    address, shown = props["address"], props["credentials"]
    return Access(
        consul=f"https://{address}:{CONSUL}",
        nomad=f"https://{address}:{NOMAD}",
        authority=shown["authority"],
        certificate=shown["certificate"],
        key=shown["key"],
        consul_token=consul_token,
        nomad_token=nomad_token,
    )


def bootstrap_acl(api: Consul | Nomad, reset: str, patience: Retrier) -> None:
    """Make the token that ``api`` asks with the first manager's, unless it is that already.

    Args:
        reset: the file in which a leader looks for leave to begin again.

    Raises:
        BootstrapError: the manager is another one.
        AgentError: there is no answer in time.
    """

    def first() -> None:
        try:
            api.bootstrap()
        except AgentError as refused:
            if refused.is_transient:
                raise
            if not api.manages():
                raise BootstrapError(
                    f"{refused}, and this stack's management token is unknown there: somebody else began, or the stack's state is of "
                    "another time. Who began has a management token: to be rid of it, replace the primes. If nobody else could have "
                    f"been there, write the index that is named above into {reset} on the leader, and run the update again"
                ) from refused

    patience.until(f"{api.kind}'s access control", first)


def ensure_acl(consul: Consul, props: Mapping[str, Any]) -> None:
    """Policies, and the tokens of the primes and of DNS; what is there stays."""
    consul_acl.make_policies(consul, props["services"])
    for name, tokens in props["tokens"].items():
        consul_acl.make_tokens(consul, name, props["datacenter"], tokens, consul_acl.SERVER)
    consul_acl.make_dns_token(consul, props["dns"])


def issued(props: Mapping[str, Any]) -> set[str]:
    """Accessors of the tokens that ``ensure_acl`` makes."""
    return {accessor(props["dns"])}.union(
        *(consul_acl.accessors(tokens) for tokens in props["tokens"].values())
    )


def rotate_management_tokens(
    news: Mapping[str, Any], olds: Mapping[str, Any], patience: Retrier
) -> tuple[Access, dict[str, list[str]]]:
    """Other managers where other secrets are declared, proven before the former are given up; gives them, and the former's accessors.

    Consul takes the secret that it is told. Nomad does so for its first token only: for a later one it makes a secret
    of its own, under a name that the declared one gives, so that a second try finds the same token.

    Raises:
        AgentError: an agent refuses or does not answer in time.
    """
    former = olds["access"]
    access = access_for(news, former["consul_token"], former["nomad_token"])
    gone: dict[str, list[str]] = {"consul": [], "nomad": []}
    if (secret := news["secrets"]["consul"]) != olds["secrets"]["consul"]:
        consul = Consul(access)
        gone["consul"] = [patience.until("Consul's former manager", consul.own_accessor)]
        patience.until(
            "Consul's manager",
            lambda: consul.ensure_token(secret, "Manager", policies=[MANAGEMENT]),
        )
        access["consul_token"] = secret
    if (secret := news["secrets"]["nomad"]) != olds["secrets"]["nomad"]:
        nomad = Nomad(access)
        gone["nomad"] = [patience.until("Nomad's former manager", nomad.own_accessor)]
        access["nomad_token"] = patience.until(
            "Nomad's manager", lambda: nomad.another_manager(f"manager {accessor(secret)}")
        )
    for api in (Consul(access), Nomad(access)):
        if not patience.until(f"{api.kind}'s manager", api.manages):
            raise BootstrapError(
                f"{api.where} does not know this stack's management token; replacing this resource begins again"
            )
    return access, gone


class BootstrapProvider(dynamic.ResourceProvider):
    """Begins access control on creation, changes keys and tokens on update; there is nothing to delete.

    What an update replaces is not revoked here but handed on as ``retired``: workers use it until they are given the new,
    and a manager's secret must be in the state before the one that it follows is gone.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        access = access_for(props, props["secrets"]["consul"], props["secrets"]["nomad"])
        wait(access, [], [], props["timeout"])
        patience, consul = Retrier(props["timeout"]), Consul(access)
        bootstrap_acl(consul, consul_api.RESET, patience)
        bootstrap_acl(Nomad(access), nomad_api.RESET, patience)
        patience.until("Consul's policies and tokens", partial(ensure_acl, consul, props))
        return dynamic.CreateResult(
            "-".join(sorted(droplets(props["primes"]))),
            _outputs(props, access, {"consul": [], "nomad": []}),
        )

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = any(olds.get(name) != news.get(name) for name in COMPARED)
        another = not droplets(olds.get("primes")) & droplets(news.get("primes"))
        return dynamic.DiffResult(
            changes=changed, replaces=["primes"] if another else [], delete_before_replace=False
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        wait(access_for(news, "", ""), [], [], news["timeout"])
        patience = Retrier(news["timeout"])
        access, gone = rotate_management_tokens(news, olds, patience)
        patience.until("Consul's policies and tokens", partial(ensure_acl, Consul(access), news))
        for keys in (Consul(access, CONNECT_TIMEOUT_S), Nomad(access, CONNECT_TIMEOUT_S)):
            if (key := news["gossip"][keys.kind.lower()]) != olds["gossip"][keys.kind.lower()]:
                change_key(keys, key, patience)
        gone["consul"] += sorted(issued(olds) - issued(news))
        for api in (Consul(access), Nomad(access)):
            kind = api.kind.lower()
            for token in set(olds["retired"][kind]) - {*gone[kind], *issued(news)}:
                if patience.until(f"{api.kind}'s retired tokens", partial(api.knows, token)):
                    gone[kind].append(token)
        return dynamic.UpdateResult(_outputs(news, access, gone))


def _outputs(
    props: dict[str, Any], access: Access, retired: dict[str, list[str]]
) -> dict[str, Any]:
    return {**{name: props[name] for name in COMPARED}, "access": access, "retired": retired}


class Bootstrap(dynamic.Resource, module="slipway", name="Bootstrap"):
    """There when the cluster has leaders and knows its managers. Its id is the cluster's identity."""

    if TYPE_CHECKING:  # where it runs, the SDK would hold the value against the type, and show it if it did not like it
        access: pulumi.Output[Access]
        """With both management tokens; secret."""
        retired: pulumi.Output[Mapping[str, Sequence[str]]]
        """Accessors of tokens of consul and nomad that some node may still use; ``Readiness`` revokes them when none does."""

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
        """Args:
        address: public address of the prime that is asked.
        credentials: the operator's; secret.
        secrets: the management tokens that consul and nomad begin with, UUIDs; secret.
        gossip: the keys of consul and nomad, base64; secret.
        dns: the token of every agent's DNS, UUID; secret.
        tokens: agent and nomad of each prime by its name, UUIDs; secret.
        services: names that Nomad's clients register in Consul for their jobs.
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
            "services": list(services),
            "datacenter": datacenter,
            "timeout": timeout,
            "access": None,
            "retired": None,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["access"])
        super().__init__(
            BootstrapProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret)
        )
