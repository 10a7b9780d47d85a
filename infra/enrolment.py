"""A machine becomes a node of the cluster: it is given, over SSH, all that it must know and keep to itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import dynamic

from infra.mtls import Access


class EnrolmentProvider(dynamic.ResourceProvider):
    """Delivers what a node must have; takes its tokens back on deletion."""

    serialize_as_secret_always = False


class Enrolment(dynamic.Resource, module="slipway", name="Enrolment"):
    """There when the node has what it needs and its agents were started."""

    def __init__(
        self,
        name: str,
        *,
        node: Mapping[str, str],
        droplet: pulumi.Input[str],
        address: pulumi.Input[str],
        cluster: pulumi.Input[str],
        primes: pulumi.Input[Sequence[str]],
        bootstrap_expect: int,
        identity: pulumi.Input[Mapping[str, str]],
        gossip: pulumi.Input[Mapping[str, str]],
        tokens: pulumi.Input[Mapping[str, str]],
        host_keys: pulumi.Input[Mapping[str, str]],
        enrol_key: pulumi.Input[str],
        operator_key: str | None,
        access: pulumi.Input[Access] | None,
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        node: name, role, datacenter, vpc_cidr and task_driver.
        droplet: the machine's id, which tells it from one that had its name before.
        address: the public address at which it is reached.
        cluster: the cluster's identity; empty for a prime, which makes it.
        primes: private addresses of all primes.
        bootstrap_expect: how many primes begin the cluster.
        identity: authority, certificate and key of the node, PEM; secret.
        gossip: the keys of consul and nomad, base64; secret.
        tokens: agent, nomad and dns, UUIDs; secret.
        host_keys: the public halves ``first`` (of the first boot) and ``lasting``, and ``private`` of the latter; secret.
        enrol_key: the stack's private key for the user ``enrol``, OpenSSH; secret.
        operator_key: the administrator's public key.
        access: the cluster, for a worker; None for a prime, before which there is none.
        timeout: seconds that the machine has to take what it is given.
        """
        props: dict[str, Any] = {
            "node": node,
            "droplet": droplet,
            "address": address,
            "cluster": cluster,
            "primes": primes,
            "bootstrap_expect": bootstrap_expect,
            "identity": pulumi.Output.secret(identity),
            "gossip": pulumi.Output.secret(gossip),
            "tokens": pulumi.Output.secret(tokens),
            "host_keys": pulumi.Output.secret(host_keys),
            "enrol_key": pulumi.Output.secret(enrol_key),
            "operator_key": operator_key,
            "access": None if access is None else pulumi.Output.secret(access),
            "timeout": timeout,
        }
        super().__init__(EnrolmentProvider(), name, props, opts)
