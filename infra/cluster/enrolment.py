"""A machine becomes a node of the cluster: it is given, over SSH, all that it must know and keep to itself.

A dynamic provider runs in a process of its own and is kept in the state by name; it uses the declared inputs only.
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
from infra.cluster_api.client import POLL_INTERVAL_S, AgentError, Retrier
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import CLIENT, accessors, make_tokens
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, Credentials

DELIVERED = (
    "node",
    "cluster",
    "primes",
    "bootstrap_expect",
    "identity",
    "gossip",
    "tokens",
    "operator_key",
)
"""What a node is given as it is declared."""

COMPARED = (*DELIVERED, "droplet", "address", "host_keys", "access")
"""What makes a difference. ``access`` changes nothing on the node, but is what taking the node away needs."""

NEW_TO_CLUSTER = ("droplet", "cluster")
"""What, when it changes, has Nomad's client begin anew, for which it must be introduced."""

INTRODUCED = 5 * 60
"""Seconds in which the client has to use its introduction, which is made when the machine listens already."""

UNSET: dict[str, Any] = {"access": None, "operator_key": None}
"""What the engine leaves out where it is none."""

DRAINING = 45
"""Seconds in which the tasks of a worker that is taken away have to move."""

LEAVE_TIMEOUT_S = (2.0, 5.0)
"""Seconds for a connection and an answer where a node is taken away: perhaps there is nobody left to tell."""


class EnrolmentError(Exception):
    """The node could not be given what it needs; the message names it and the cause."""


def bundle(props: Mapping[str, Any], introduction: str) -> dict[str, Any]:
    """What the node is given, as its ``tool-enrol`` reads it."""
    whole = {name: props[name] for name in DELIVERED}
    # The engine knows one kind of number only.
    whole |= {
        "bootstrap_expect": int(props["bootstrap_expect"]),
        "host_key": props["host_keys"]["private"],
        "introduction": introduction,
    }
    return whole


def deliver(props: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
    """Make the node's tokens, and give it everything.

    A host key of the first boot is as good as public once the machine was enrolled, and believed no longer.

    Raises:
        EnrolmentError: the machine cannot be reached, is another one, or refuses.
        AgentError: there are no tokens to be had.
    """
    name, start = props["node"]["name"], time.monotonic()
    patience = Retrier(props["timeout"])
    begins = any(olds.get(part) != props[part] for part in NEW_TO_CLUSTER)
    first = (
        props["host_keys"]["first"]
        if olds.get("droplet") != props["droplet"]
        else olds["host_keys"]["lasting"]
    )
    if props["access"]:
        consul = Consul(props["access"])
        patience.until(
            f"{name}: tokens",
            partial(
                make_tokens, consul, name, props["node"]["datacenter"], props["tokens"], CLIENT
            ),
        )

    def content() -> bytes:
        introduction = ""
        if props["access"] and begins:
            nomad = Nomad(props["access"])
            patience.until(f"{name}: eligibility", lambda: nomad.set_eligible(name))
            introduction = patience.until(
                f"{name}: introduction", lambda: nomad.introduction(name, INTRODUCED)
            )
        return json.dumps(bundle(props, introduction)).encode()

    def tell(why: str) -> None:
        print(f"{name}: waiting for SSH ({why})", flush=True)

    try:
        told = ssh.deliver(
            props["address"],
            props["enrol_key"],
            (first, props["host_keys"]["lasting"]),
            content,
            props["timeout"],
            tell,
        )
    except ssh.DeliveryError as error:
        raise EnrolmentError(f"{name}: {error}") from error
    print(f"{name}: {_outcome(name, told)} in {time.monotonic() - start:.1f} s", flush=True)


def _outcome(name: str, told: str) -> str:
    for line in reversed(told.strip().splitlines()):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["outcome"])
    raise EnrolmentError(f"{name}: the machine did not tell the outcome")


class EnrolmentProvider(dynamic.ResourceProvider):
    """Delivers what a node must have; takes its tokens back on deletion.

    Never replaced by itself: another machine is enrolled anew. Who wants it replaced has it leave before it joins again,
    because what it joins with is the same.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        props = UNSET | props
        deliver(props, {})
        return dynamic.CreateResult(props["node"]["name"], _declared(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED),
            delete_before_replace=True,
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """New tokens are made before, old ones revoked after the node was given the new."""
        olds, news = UNSET | olds, UNSET | news
        if olds["droplet"] != news["droplet"] or bundle(olds, "") != bundle(news, ""):
            deliver(news, olds)
            if news["access"]:
                consul, patience = Consul(news["access"]), Retrier(news["timeout"])
                for token in sorted(accessors(olds["tokens"]) - accessors(news["tokens"])):
                    patience.until(f"{_id}: old token", partial(consul.revoke, token))
        return dynamic.UpdateResult(_declared(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Move a worker's tasks elsewhere and make its tokens useless. A cluster that does not answer is not waited for."""
        if not props.get("access"):
            return
        for leave in (drain, revoke):
            try:
                leave(props)
            except AgentError as error:
                print(f"{_id} goes without leave: {error}", flush=True)


def drain(props: Mapping[str, Any]) -> None:
    """Move everything off a node and wait until that is done.

    Raises:
        AgentError: Nomad does not answer.
    """
    nomad, deadline = (
        Nomad(props["access"], LEAVE_TIMEOUT_S),
        time.monotonic() + DRAINING + LEAVE_TIMEOUT_S[1],
    )
    draining = nomad.drain(props["node"]["name"], DRAINING)
    while (
        draining := [one for one in draining if nomad.is_draining(one)]
    ) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)


def revoke(props: Mapping[str, Any]) -> None:
    """Make the node's own tokens useless.

    Raises:
        AgentError: Consul does not answer.
    """
    consul = Consul(props["access"], LEAVE_TIMEOUT_S)
    for token in sorted(accessors(props["tokens"])):
        consul.revoke(token)


def _declared(props: dict[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in COMPARED}


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
