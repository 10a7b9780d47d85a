"""Consul's intentions: which service may connect to which. The default denies all."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import Service

PRECEDENCE = 9
"""The precedence that Consul computes for an exact source and an exact destination."""


@dataclass(frozen=True, kw_only=True)
class IntentionsArgs:
    """The services of the stack."""

    services: Sequence[Service]


class Intentions(pulumi.ComponentResource):
    """A ``service-intentions`` entry for each service that has callers."""

    def __init__(
        self, name: str, args: IntentionsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:Intentions", name, None, opts)
        children = child_options(self, opts)
        for service in args.services:
            if not service.callers:
                continue
            # Consul stores Precedence and Type; without them every update would show a difference.
            sources = [
                {"Action": "allow", "Name": caller, "Precedence": PRECEDENCE, "Type": "consul"}
                for caller in service.callers
            ]
            consul.ConfigEntry(
                f"{name}-{service.name}",
                kind="service-intentions",
                name=service.name,
                config_json=canonical_json({"Sources": sources}),
                opts=children,
            )
        self.register_outputs({})
