"""The complete cluster: a resource that exists when all agents have joined.

Nomad jobs depend on it. At that point every node has its current tokens, so the retired tokens are
revoked.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.members import Member, wait_for_members
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

COMPARED_INPUTS = ("primes", "workers", "access", "cluster", "retired")
"""A change of one of them causes an update; a change of the timeout does not."""


def wait_and_revoke(props: dict[str, Any]) -> dict[str, Any]:
    """Wait for all members, revoke the retired tokens, and return the outputs.

    Raises:
        NotReadyError: a member is missing after ``timeout`` seconds.
        AgentError: a token cannot be revoked.
    """
    wait_for_members(props["access"], props["primes"], props["workers"], props["timeout"])
    retrier = Retrier(props["timeout"])
    for api in (Consul(props["access"]), Nomad(props["access"])):
        for accessor in props["retired"].get(api.kind.lower(), ()):
            retrier.run(f"revoke {accessor}", partial(api.revoke_token, accessor))
    return {name: props[name] for name in COMPARED_INPUTS}


class ReadinessProvider(dynamic.ResourceProvider):
    """Waits on creation and on update. It is never replaced; a deletion does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["cluster"], wait_and_revoke(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS)
        )

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(wait_and_revoke(news))


class Readiness(dynamic.Resource, module="slipway", name="Readiness"):
    """A cluster in which every member is enrolled and alive."""

    # At run time, the SDK would compare the value with the type and print a value that differs.
    if TYPE_CHECKING:
        access: pulumi.Output[Access]
        """The input. A resource that uses it waits for the complete cluster. Secret."""

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
        """Declare the complete cluster.

        Args:
            primes: the servers.
            workers: the client agents.
            access: access with management tokens; secret.
            cluster: the cluster's identity.
            timeout: seconds for all members to join.
            retired: ``Bootstrap.retired``, the accessor ids of the tokens to revoke.
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
