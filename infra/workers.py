"""Worker droplets: the machines that run jobs."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.agents import Member
from infra.node import Mould, droplet, members


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    """How many workers, what they are made from, and whom they join."""

    count: int
    mould: Mould
    primes: pulumi.Output[list[str]]
    """Private addresses of the primes."""


class Workers(pulumi.ComponentResource):
    """A Consul client and a Nomad client on each of ``count`` droplets, made side by side."""

    droplets: list[digitalocean.Droplet]
    members: pulumi.Output[list[Member]]

    def __init__(self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:infra:Workers", name, None, opts)
        self.droplets = [droplet(args.mould, number, args.primes, 1, parent=self) for number in range(1, args.count + 1)]
        self.members = members(self.droplets)
        self.register_outputs({"members": self.members})
