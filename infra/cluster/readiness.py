"""The cluster as one thing that is there or not: made when all agents have found each other.

Whatever lives in the cluster (Nomad jobs, Consul entries) hangs on ``Readiness``: nothing of it starts before. By then
every node has its present tokens, so the retired ones are revoked here.

A dynamic provider runs in a process of its own and is kept in the state by name; it uses the declared inputs only.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.members import Member, wait
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

COMPARED = ("primes", "workers", "access", "cluster", "retired")
"""What makes a difference; a changed timeout makes none."""


def wait_and_revoke(props: dict[str, Any]) -> dict[str, Any]:
    """Wait for every member, and revoke what no member uses any more; gives what is declared.

    Raises:
        NotReadyError: someone is still missing after ``timeout`` seconds.
        AgentError: a token cannot be revoked.
    """
    wait(props["access"], props["primes"], props["workers"], props["timeout"])
    patience = Retrier(props["timeout"])
    for api in (Consul(props["access"]), Nomad(props["access"])):
        for token in props["retired"].get(api.kind.lower(), ()):
            patience.until(f"{token} is revoked", partial(api.revoke, token))
    return {name: props[name] for name in COMPARED}


class ReadinessProvider(dynamic.ResourceProvider):
    """Waits on creation and on changes; never replaced; there is nothing to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["cluster"], wait_and_revoke(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED)
        )

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(wait_and_revoke(news))


class Readiness(dynamic.Resource, module="slipway", name="Readiness"):
    """There when every agent of the cluster is."""

    if TYPE_CHECKING:  # where it runs, the SDK would hold the value against the type, and show it if it did not like it
        access: pulumi.Output[Access]
        """As it was given; who takes it from here waits until the cluster is whole. Secret."""

    def __init__(
        self,
        name: str,
        *,
        primes: pulumi.Input[Sequence[Member]],
        workers: pulumi.Input[Sequence[Member]],
        access: pulumi.Input[Access],
        cluster: pulumi.Input[str],
        timeout: int,
        retired: pulumi.Input[Mapping[str, Sequence[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        access: a manager's, to a prime; secret.
        cluster: the cluster's identity; another one is waited for again.
        timeout: seconds that the agents have.
        retired: accessors of the tokens of consul and nomad that are revoked when all are there (``Bootstrap.retired``).
        """
        props = {
            "primes": primes,
            "workers": workers,
            "access": pulumi.Output.secret(access),
            "cluster": cluster,
            "retired": {} if retired is None else retired,
            "timeout": timeout,
        }
        super().__init__(ReadinessProvider(), name, props, opts)
