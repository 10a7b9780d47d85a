"""The schedule of backups: over SSH, every prime receives what it needs to take them.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pulumi
from pulumi import dynamic

from infra import ssh
from infra.cluster_api.client import Retrier
from infra.cluster_api.consul import Consul, accessor_id
from infra.cluster_api.consul_acl import ensure_backup_token
from infra.cluster_api.members import Member
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access

ACTION = "schedule-backups"
COMPARED_INPUTS = ("cluster", "primes", "host_keys", "enrol_key", "access", "config", "token")
"""A change of one of them causes an update; a change of the timeout does not."""
NUMBERS = ("period_h", "keep", "days")


class ScheduleError(Exception):
    """A prime did not receive the schedule; the message names the prime and the cause."""


def deliver(props: Mapping[str, Any]) -> None:
    """Create the tokens, and deliver them with the configuration to every prime.

    Raises:
        ScheduleError: a prime cannot be reached, or refuses the configuration.
        AgentError: the cluster refuses to create tokens.
    """
    consul, nomad = Consul(props["access"]), Nomad(props["access"])
    retrier = Retrier(props["timeout"])
    retrier.run("Consul's backup token", partial(ensure_backup_token, consul, props["token"]))
    nomad_token = retrier.run(
        "Nomad's backup token",
        partial(nomad.ensure_management_token, nomad_token_name(props["token"])),
    )
    config = {
        "action": ACTION,
        **props["config"],
        # The engine converts every number to a float.
        **{name: int(props["config"][name]) for name in NUMBERS},
        "consul_token": props["token"],
        "nomad_token": nomad_token,
    }
    for prime in props["primes"]:
        name = prime["name"]
        try:
            ssh.deliver(
                prime["public"],
                props["enrol_key"],
                (props["host_keys"][name],),
                lambda: json.dumps(config).encode(),
                props["timeout"],
                partial(_report, name),
            )
        except ssh.DeliveryError as error:
            raise ScheduleError(f"{name}: {error}") from error


def nomad_token_name(consul_token: str) -> str:
    """Return the name of Nomad's token, whose secret Nomad generates, for a secret of Consul's."""
    return f"backup {accessor_id(consul_token)}"


def _report(name: str, reason: str) -> None:
    print(f"{name}: waiting for SSH ({reason})", flush=True)


class BackupScheduleProvider(dynamic.ResourceProvider):
    """Delivers on creation and on every update. A deletion does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        deliver(props)
        return dynamic.CreateResult(props["cluster"], _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in COMPARED_INPUTS)
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Deliver, and then revoke the former tokens of the same cluster."""
        deliver(news)
        if olds["token"] != news["token"] and olds["cluster"] == news["cluster"]:
            consul, nomad = Consul(news["access"]), Nomad(news["access"])
            retrier = Retrier(news["timeout"])
            retrier.run(
                "Consul's former backup token",
                partial(consul.revoke_token, accessor_id(olds["token"])),
            )
            retrier.run(
                "Nomad's former backup token",
                partial(nomad.revoke_tokens, nomad_token_name(olds["token"])),
            )
        return dynamic.UpdateResult(_outputs(news))


def _outputs(props: Mapping[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in COMPARED_INPUTS}


class BackupSchedule(dynamic.Resource, module="slipway", name="BackupSchedule"):
    """Primes that take backups on a schedule."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        primes: pulumi.Input[Sequence[Member]],
        host_keys: pulumi.Input[Mapping[str, str]],
        enrol_key: pulumi.Input[str],
        access: pulumi.Input[Access],
        config: Mapping[str, pulumi.Input[Any]],
        token: pulumi.Input[str],
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the schedule.

        Args:
            cluster: the cluster's identity.
            primes: the servers.
            host_keys: public SSH host keys by name.
            enrol_key: private key of the user ``enrol``, OpenSSH; secret.
            access: access to the cluster with management tokens; secret.
            config: what the image's ``take_backup`` reads, except the tokens; secret.
            token: Consul token with which primes take snapshots, a UUID; secret.
            timeout: seconds for the delivery to one prime, and for all requests.
        """
        props = {
            "cluster": cluster,
            "primes": primes,
            "host_keys": host_keys,
            "enrol_key": pulumi.Output.secret(enrol_key),
            "access": pulumi.Output.secret(access),
            "config": pulumi.Output.secret(config),
            "token": pulumi.Output.secret(token),
            "timeout": timeout,
        }
        super().__init__(BackupScheduleProvider(), name, props, opts)
