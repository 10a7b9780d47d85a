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
from infra.cluster_api.client import Retrier
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

``access`` is not delivered. The next update needs its current value.
"""

INTRODUCTION_INPUTS = ("droplet", "cluster")
"""A change of one of them makes Nomad's client register as a new node.

A new client needs an introduction token.
"""

INTRODUCTION_TTL_S = 5 * 60
"""The token is created when SSH already answers."""

REBOOTS = "reboots"
"""The outcome on a worker that changes the cluster.

Its client is a new one. After a restore, the servers know the old one, which looks ready until its
heartbeat is missing.
"""

DEFAULTS: dict[str, Any] = {"access": None, "operator_key": None}
"""The engine omits inputs that are None."""


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
    outcome = _outcome(name, stdout)
    if outcome == REBOOTS:
        retrier.run(f"{name}: old client", partial(Nomad(props["access"]).purge_clients, name))
    print(f"{name}: {outcome} in {time.monotonic() - start:.1f} s", flush=True)


def _outcome(name: str, stdout: str) -> str:
    for line in reversed(stdout.strip().splitlines()):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(line)["outcome"])
    raise EnrolmentError(f"{name}: the machine reported no outcome")


class EnrolmentProvider(dynamic.ResourceProvider):
    """Delivers the bundle. A new machine in the slot is enrolled by an update.

    A deletion does nothing: the deletion of the ``Membership`` makes the machine leave.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        props = DEFAULTS | props
        deliver(props, {})
        return dynamic.CreateResult(props["node"]["name"], _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS)
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Create new tokens before the delivery; revoke the old ones after it.

        The tokens of an older machine stay valid: it uses them until it leaves.
        """
        olds, news = DEFAULTS | olds, DEFAULTS | news
        is_new_machine = olds["droplet"] != news["droplet"]
        if is_new_machine or bundle(olds, "") != bundle(news, ""):
            deliver(news, {} if is_new_machine else olds)
            if news["access"] and not is_new_machine:
                consul, retrier = Consul(news["access"]), Retrier(news["timeout"])
                old_accessors = node_accessor_ids(olds["tokens"])
                for accessor in sorted(old_accessors - node_accessor_ids(news["tokens"])):
                    retrier.run(f"{_id}: old token", partial(consul.revoke_token, accessor))
        return dynamic.UpdateResult(_outputs(news))


def _outputs(props: dict[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in COMPARED_INPUTS}


class Enrolment(dynamic.Resource, module="slipway", name="Enrolment"):
    """A machine that has its credentials and whose agents are started."""

    def __init__(
        self,
        name: str,
        *,
        node: Mapping[str, pulumi.Input[str]],
        droplet: pulumi.Input[str],
        address: pulumi.Input[str],
        cluster: pulumi.Input[str],
        primes: pulumi.Input[Sequence[str]],
        bootstrap_expect: pulumi.Input[int],
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
            primes: private addresses of the servers to join.
            bootstrap_expect: number of servers that bootstrap the cluster; 0 to join it.
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
