"""The complete cluster: a resource that exists when all agents have joined.

Nomad jobs depend on it. At that point every node has its current tokens, so the retired tokens are
revoked. Machines of older generations get no new allocations from then on, and the data of the
servers is saved before the first of them leaves.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster.snapshots import save_snapshots
from infra.cluster_api.client import AgentError, Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.members import Member, wait_for_members
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

COMPARED_INPUTS = ("primes", "workers", "access", "cluster", "retired")
"""A change of one of them causes an update; a change of the timeout does not."""


def wait_and_revoke(props: dict[str, Any], olds: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Wait for all members, prepare the departure of others, and return the outputs.

    A machine that leaves still uses the tokens of its enrolment. Tokens that were retired since are
    then revoked by the next update.

    Raises:
        NotReadyError: a member is missing after ``timeout`` seconds.
        AgentError: a server refuses a request.
        OSError: the snapshots cannot be written.
    """
    access = props["access"]
    retrier, consul, nomad = Retrier(props["timeout"]), Consul(access), Nomad(access)
    workers = {worker["name"] for worker in props["workers"]}
    if olds:
        # A worker that an interrupted update drained may be declared again.
        retrier.run("eligibility", partial(nomad.set_members_eligible, workers))
    wait_for_members(access, props["primes"], props["workers"], props["timeout"])
    retrier.run("eligibility", partial(nomad.set_others_ineligible, workers))
    members = [*props["primes"], *props["workers"]]
    names = [member["name"] for member in members]
    retrier.run("declared members", partial(consul.declare_members, names))
    current = {prime["droplet"] for prime in props["primes"]}
    if olds and any(prime["droplet"] not in current for prime in olds["primes"]):
        _save(props, olds)
    outputs = {name: props[name] for name in COMPARED_INPUTS}
    revoked = (olds or {}).get("retired") or {}
    retired = {
        kind: [token for token in tokens if token not in revoked.get(kind, ())]
        for kind, tokens in props["retired"].items()
    }
    leaving = retrier.run("members", consul.alive_members) - {
        (member["name"], member["address"]) for member in members
    }
    if leaving and any(retired.values()):
        former = ", ".join(sorted(name for name, _ in leaving))
        print(f"the next up revokes the retired tokens: {former} still uses them", flush=True)
        return {**outputs, "retired": revoked}
    for api in (consul, nomad):
        for accessor in retired.get(api.kind.lower(), ()):
            retrier.run(f"revoke {accessor}", partial(api.revoke_token, accessor))
    return outputs


def _save(props: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
    """Save the data of the servers that leave; a cluster that is lost has none.

    Raises:
        AgentError: a server of the current cluster returns no snapshot.
        OSError: the snapshots cannot be written.
    """
    if olds["cluster"] == props["cluster"]:
        save_snapshots(props["access"], props["snapshot_key"], props["cluster"])
        return
    try:
        Consul(olds["access"]).has_leader()
        save_snapshots(olds["access"], props["snapshot_key"], olds["cluster"])
    except AgentError as error:
        print(f"no snapshot of the former cluster: {error}", flush=True)


class ReadinessProvider(dynamic.ResourceProvider):
    """Waits on creation and on update. It is never replaced; a deletion does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["cluster"], wait_and_revoke(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS)
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(wait_and_revoke(news, olds))


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
        snapshot_key: pulumi.Input[str],
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
            snapshot_key: encrypts the snapshots: 32 bytes, base64; secret.
            timeout: seconds for all members to join.
            retired: ``Bootstrap.retired``, the accessor ids of the tokens to revoke.
        """
        props = {
            "primes": primes,
            "workers": workers,
            "access": pulumi.Output.secret(access),
            "cluster": cluster,
            "snapshot_key": pulumi.Output.secret(snapshot_key),
            "retired": {} if retired is None else retired,
            "timeout": timeout,
        }
        super().__init__(ReadinessProvider(), name, props, opts)
