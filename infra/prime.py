"""Prime droplets: the machines that keep the cluster's memory."""

from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean

from infra.agents import Member
from infra.node import Mould, droplet, members


@dataclass(frozen=True, kw_only=True)
class PrimesArgs:
    """How many primes, and what they are made from."""

    count: int
    mould: Mould


class Primes(pulumi.ComponentResource):
    """A Consul server and a Nomad server on each of 1, 3 or 5 droplets; the others join the first."""

    droplets: list[digitalocean.Droplet]
    address: pulumi.Output[str]
    """Public address of the first prime, where administrators find Consul and Nomad."""
    private_addresses: pulumi.Output[list[str]]
    members: pulumi.Output[list[Member]]

    def __init__(self, name: str, args: PrimesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:infra:Primes", name, None, opts)
        nobody: pulumi.Output[list[str]] = pulumi.Output.from_input([])
        first = droplet(args.mould, 1, nobody, args.count, parent=self)
        joined = first.ipv4_address_private.apply(lambda address: [address])
        others = [droplet(args.mould, number, joined, args.count, parent=self) for number in range(2, args.count + 1)]
        self.droplets = [first, *others]
        self.address = first.ipv4_address
        self.private_addresses = pulumi.Output.all(*(prime.ipv4_address_private for prime in self.droplets)).apply(list)
        self.members = members(self.droplets)
        self.register_outputs({"address": self.address, "private_addresses": self.private_addresses, "members": self.members})
