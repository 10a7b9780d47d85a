"""The membership of a machine in the cluster. Its deletion makes the machine leave in good order.

A machine that is replaced keeps its membership until the new machine is a member. Then the old
membership is deleted, and after it the old droplet.

A dynamic provider runs in its own process, and the state contains its module path. All memberships
of an update share this process, so a deletion knows which machines the update declares.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from infra.cluster.departure import leave_worker
from infra.cluster.server_departure import leave_prime
from infra.digitalocean_api import connect, public_address
from infra.mtls import Access

_declared: set[str] = set()
"""Droplets of the memberships that this update declares."""
_access: list[Access] = []
"""The last one is the current access, which an old membership does not have after a rotation."""


class MembershipProvider(dynamic.ResourceProvider):
    """Makes a worker or a prime leave when it is deleted. Creation and update change nothing."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Record what the program declares. A refresh calls ``diff`` too, with the state."""
        _record(news)
        return dynamic.CheckResult(news, [])

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        _record(props)  # A check may not know the droplet yet.
        return dynamic.CreateResult(props["name"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        is_new_machine = olds["droplet"] != news["droplet"]
        return dynamic.DiffResult(
            changes=any(olds.get(name) != value for name, value in news.items()),
            replaces=["droplet"] if is_new_machine else [],
            delete_before_replace=False,
        )

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Make the machine leave, unless the update only replaced the membership.

        The account lists the servers: a membership of an older generation does not know newer ones.
        Servers in another network belong to another cluster: an interrupted move left them.
        """
        if props["droplet"] in _declared:
            print(f"{props['name']}: stays, because its droplet does", flush=True)
            return
        api = connect(lambda key: self._config.get(f"digitalocean:{key}"))
        primes = api.list_all("/v2/droplets", "droplets", tag_name=props["prime_tag"])
        servers = [
            public_address(prime)
            for prime in primes
            if prime["status"] == "active"
            # A membership of an earlier version has no network.
            and prime["vpc_uuid"] == props.get("network", prime["vpc_uuid"])
        ]
        if _access:
            props = {**props, "access": _access[-1]}
        if props["role"] == "prime":
            leave_prime(props, servers)
        else:
            leave_worker(props, servers)


def _record(props: Mapping[str, Any]) -> None:
    """Record what a declared membership has, unless a preview does not know it."""
    if props["droplet"] != pulumi.runtime.rpc.UNKNOWN:
        _declared.add(props["droplet"])
    if props["access"] != pulumi.runtime.rpc.UNKNOWN:
        _access.append(props["access"])


class Membership(dynamic.Resource, module="slipway", name="Membership"):
    """A machine that is a member of the cluster."""

    def __init__(
        self,
        name: str,
        *,
        node: Mapping[str, pulumi.Input[str]],
        droplet: pulumi.Input[str],
        address: pulumi.Input[str],
        private_address: pulumi.Input[str],
        network: pulumi.Input[str],
        prime_tag: pulumi.Input[str],
        tokens: pulumi.Input[Mapping[str, str]],
        host_key: pulumi.Input[str],
        enrol_key: pulumi.Input[str],
        access: pulumi.Input[Access],
        drain_deadline: int,
        max_unavailable: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the membership.

        Args:
            node: name and role.
            droplet: id of the droplet.
            address: public address.
            private_address: address on which the agents listen.
            network: id of the VPC.
            prime_tag: tag of the stack's primes.
            tokens: ``agent`` and ``nomad``, UUIDs, which are revoked at last; secret.
            host_key: public SSH host key.
            enrol_key: private key of the user ``enrol``, OpenSSH; secret.
            access: access to the cluster with management tokens; secret.
            drain_deadline: seconds for a worker's allocations to move.
            max_unavailable: number of workers that leave at the same time.
        """
        props: dict[str, Any] = {
            "name": node["name"],
            "role": node["role"],
            "droplet": droplet,
            "address": address,
            "private_address": private_address,
            "network": network,
            "prime_tag": prime_tag,
            "tokens": pulumi.Output.secret(tokens),
            "host_key": host_key,
            "enrol_key": pulumi.Output.secret(enrol_key),
            "access": pulumi.Output.secret(access),
            "drain_deadline": drain_deadline,
            "max_unavailable": max_unavailable,
        }
        super().__init__(MembershipProvider(), name, props, opts)
