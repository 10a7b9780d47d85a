"""Who may speak with whom: by default nobody with anybody."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.child_options import child_options

PRECEDENCE = 9
"""Consul's own number for one exact name that may speak with another."""


@dataclass(frozen=True, kw_only=True)
class IntentionsArgs:
    """What is allowed."""

    allowed: Mapping[str, Sequence[str]]
    """By service, those that may connect to it."""


class Intentions(pulumi.ComponentResource):
    """The intentions of each service that anybody may connect to."""

    def __init__(
        self, name: str, args: IntentionsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:Intentions", name, None, opts)
        inside = child_options(self, opts)
        for service, sources in args.allowed.items():
            # Precedence and type are there because Consul stores them: without them every update would find a difference.
            allow = [
                {"Action": "allow", "Name": source, "Precedence": PRECEDENCE, "Type": "consul"}
                for source in sources
            ]
            consul.ConfigEntry(
                f"{name}-{service}",
                kind="service-intentions",
                name=service,
                config_json=json.dumps({"Sources": allow}, sort_keys=True, separators=(",", ":")),
                opts=inside,
            )
        self.register_outputs({})
