"""Consul's intentions: which service may connect to which. The default denies all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_consul as consul

from infra.drift.consul_entries import ConsulEntries, config_entry
from infra.mtls import Access
from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import Service

KIND = "service-intentions"
PRECEDENCE = 9
"""The precedence that Consul computes for an exact source and an exact destination."""


@dataclass(frozen=True, kw_only=True)
class IntentionsArgs:
    """The services of the stack, and the access to Consul."""

    services: Sequence[Service]
    access: pulumi.Input[Access]


class Intentions(pulumi.ComponentResource):
    """A ``service-intentions`` entry for each service that has callers."""

    def __init__(
        self, name: str, args: IntentionsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:Intentions", name, None, opts)
        children = child_options(self, opts)
        declared = {
            service.name: {"Sources": [_source(caller) for caller in service.callers]}
            for service in args.services
            if service.callers
        }
        for destination, content in declared.items():
            consul.ConfigEntry(
                f"{name}-{destination}",
                kind=KIND,
                name=destination,
                config_json=canonical_json(content),
                opts=children,
            )
        ConsulEntries(
            f"{name}-in-consul",
            cluster=children.replacement_trigger,
            entries={key: config_entry(KIND, key, content) for key, content in declared.items()},
            access=args.access,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _source(caller: str) -> dict[str, Any]:
    """Return the intention of a caller.

    Consul stores Precedence and Type; without them every update would show a difference.
    """
    return {"Action": "allow", "Name": caller, "Precedence": PRECEDENCE, "Type": "consul"}
