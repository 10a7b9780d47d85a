"""The enrolment of a machine: over SSH it receives all that makes it a node of the cluster.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pulumi
from pulumi import dynamic

from infra import ssh
from infra.cluster_api.client import POLL_INTERVAL_S, AgentError, Retrier, Timeout
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import (
    NOMAD_CLIENT_POLICY,
    ensure_node_tokens,
    node_accessor_ids,
)
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials

DELIVERED_INPUTS = (
    "node",
    "cluster",
    "primes",
    "bootstrap_expect",
    "identity",
    "gossip",
    "tokens",
    "operator_key",
)
"""The inputs that are delivered to the machine."""

COMPARED_INPUTS = (*DELIVERED_INPUTS, "droplet", "address", "host_keys", "access")
"""A change of one of them causes an update.

``access`` is not delivered. A deletion needs its current value.
"""

INTRODUCTION_INPUTS = ("droplet", "cluster")
"""A change of one of them makes Nomad's client register as a new node.

A new client needs an introduction token.
"""

INTRODUCTION_TTL_S = 5 * 60
"""The token is created when SSH already answers."""

DEFAULTS: dict[str, Any] = {"access": None, "operator_key": None}
"""The engine omits inputs that are None."""

DRAIN_DEADLINE_S = 45
"""How long the allocations of a deleted worker may take to move."""

DELETE_TIMEOUT_S: Timeout = (2.0, 5.0)
"""Shorter than for other requests, because the cluster may be lost."""


class EnrolmentError(Exception):
    """A machine could not be enrolled; the message names the machine and the cause."""


def bundle(props: Mapping[str, Any], introduction: str) -> dict[str, Any]:
    """Return what the image's ``tool-enrol`` reads from its standard input."""
    return {
        **{name: props[name] for name in DELIVERED_INPUTS},
        # The engine converts every number to a float.
        "bootstrap_expect": int(props["bootstrap_expect"]),
        "host_key": props["host_keys"]["private"],
        "introduction": introduction,
    }


def deliver(props: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
    """Create the tokens of the machine, and deliver the bundle.

    The first host key is in ``user_data``, which the machine's users can read. So it is accepted
    only until the machine is enrolled.

    Raises:
        EnrolmentError: the machine cannot be reached, has another host key, or refuses the bundle.
        AgentError: the cluster refuses to create tokens.
    """
    name, start = props["node"]["name"], time.monotonic()
    retrier = Retrier(props["timeout"])
    is_new_client = any(olds.get(part) != props[part] for part in INTRODUCTION_INPUTS)
    is_new_machine = olds.get("droplet") != props["droplet"]
    old_host_key = props["host_keys"]["first"] if is_new_machine else olds["host_keys"]["lasting"]
    if props["access"]:
        create_tokens = partial(
            ensure_node_tokens,
            Consul(props["access"]),
            name,
            props["node"]["datacenter"],
            props["tokens"],
            NOMAD_CLIENT_POLICY,
        )
        retrier.run(f"{name}: tokens", create_tokens)

    def content() -> bytes:
        introduction = ""
        if props["access"] and is_new_client:
            nomad = Nomad(props["access"])
            retrier.run(f"{name}: eligibility", partial(nomad.set_eligible, name))
            introduction = retrier.run(
                f"{name}: introduction token",
                partial(nomad.create_introduction_token, name, INTRODUCTION_TTL_S),
            )
        return json.dumps(bundle(props, introduction)).encode()

    def report(reason: str) -> None:
        print(f"{name}: waiting for SSH ({reason})", flush=True)

    try:
        stdout = ssh.deliver(
            props["address"],
            props["enrol_key"],
            (old_host_key, props["host_keys"]["lasting"]),
            content,
            props["timeout"],
            report,
        )
    except ssh.DeliveryError as error:
        raise EnrolmentError(f"{name}: {error}") from error
    print(f"{name}: {_outcome(name, stdout)} in {time.monotonic() - start:.1f} s", flush=True)


def _outcome(name: str, stdout: str) -> str:
    for line in reversed(stdout.strip().splitlines()):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["outcome"])
    raise EnrolmentError(f"{name}: the machine reported no outcome")


class EnrolmentProvider(dynamic.ResourceProvider):
    """Delivers the bundle; on deletion, drains the node and revokes its tokens.

    A changed input never replaces the resource: a new machine is enrolled by an update. A forced
    replacement (``--replace``) deletes first, because both nodes would use the same tokens.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        props = DEFAULTS | props
        deliver(props, {})
        return dynamic.CreateResult(props["node"]["name"], _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS),
            delete_before_replace=True,
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Create new tokens before the delivery; revoke the old ones after it."""
        olds, news = DEFAULTS | olds, DEFAULTS | news
        if olds["droplet"] != news["droplet"] or bundle(olds, "") != bundle(news, ""):
            deliver(news, olds)
            if news["access"]:
                consul, retrier = Consul(news["access"]), Retrier(news["timeout"])
                old_accessors = node_accessor_ids(olds["tokens"])
                for accessor in sorted(old_accessors - node_accessor_ids(news["tokens"])):
                    retrier.run(f"{_id}: old token", partial(consul.revoke_token, accessor))
        return dynamic.UpdateResult(_outputs(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Drain a worker and revoke its tokens; a cluster that does not answer is skipped."""
        if not props.get("access"):
            return
        for description, step in (("drain", drain), ("token revocation", revoke_tokens)):
            try:
                step(props)
            except AgentError as error:
                print(f"{_id}: skipped the {description}: {error}", flush=True)


def drain(props: Mapping[str, Any]) -> None:
    """Drain the node, and wait until no allocation is left or the deadline has passed.

    Raises:
        AgentError: Nomad does not answer.
    """
    nomad = Nomad(props["access"], DELETE_TIMEOUT_S)
    deadline = time.monotonic() + DRAIN_DEADLINE_S + DELETE_TIMEOUT_S[1]
    node_ids = nomad.start_drain(props["node"]["name"], DRAIN_DEADLINE_S)
    while (
        node_ids := [node_id for node_id in node_ids if nomad.is_draining(node_id)]
    ) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)


def revoke_tokens(props: Mapping[str, Any]) -> None:
    """Revoke the node's own tokens.

    Raises:
        AgentError: Consul does not answer.
    """
    consul = Consul(props["access"], DELETE_TIMEOUT_S)
    for accessor in sorted(node_accessor_ids(props["tokens"])):
        consul.revoke_token(accessor)


def _outputs(props: dict[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in COMPARED_INPUTS}


class Enrolment(dynamic.Resource, module="slipway", name="Enrolment"):
    """A machine that has its credentials and whose agents are started."""

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
        identity: pulumi.Input[Credentials],
        gossip: pulumi.Input[Mapping[str, str]],
        tokens: pulumi.Input[Mapping[str, str]],
        host_keys: pulumi.Input[Mapping[str, str]],
        enrol_key: pulumi.Input[str],
        operator_key: str | None,
        access: pulumi.Input[Access] | None,
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the enrolment.

        Args:
            node: name, role, datacenter, vpc_cidr and task_driver.
            droplet: id of the droplet, which distinguishes it from an earlier one of its name.
            address: public address.
            cluster: the cluster's identity; empty for a prime.
            primes: private addresses of all primes.
            bootstrap_expect: number of servers that elect the first leader.
            identity: the node's certificate; secret.
            gossip: gossip keys of ``consul`` and ``nomad``, base64; secret.
            tokens: ``agent``, ``nomad`` and ``dns``, UUIDs; secret.
            host_keys: public keys ``first`` and ``lasting``, and ``private`` of the latter; secret.
            enrol_key: private key of the user ``enrol``, OpenSSH; secret.
            operator_key: public SSH key of the administrator.
            access: access to the cluster for a worker; None for a prime.
            timeout: seconds for the delivery.
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
