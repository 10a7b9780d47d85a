"""A cloud seen from its provider: what was asked of it, and with which options."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pulumi
from pulumi.runtime import mocks

from infra.network import NetworkArgs

ADDRESSES = {"digitalocean:index/droplet:Droplet", "digitalocean:index/loadBalancer:LoadBalancer"}


class FakeCloud(mocks.Mocks):
    """Records what is registered, answers with what the real cloud would add, refuses to be asked for anything else."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        self.options: dict[str, pulumi.ResourceOptions] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.created[args.name] = {**args.inputs, "type": args.typ}
        added = {}
        if args.typ in ADDRESSES:
            number = len(self.created)
            added = {"ip": f"198.18.1.{number}", "ipv4Address": f"198.18.0.{number}", "ipv4AddressPrivate": f"10.10.0.{number}"}
            added["createdAt"] = f"2026-01-01T00:00:{number:02d}Z"
        if args.typ == "digitalocean:index/sshKey:SshKey":
            added["fingerprint"] = "aa:bb"
        return f"{args.name}-id", {**args.inputs, **added}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"no answer prepared for {args.token}")

    def watched(self) -> pulumi.ResourceOptions:
        """Options of a component under test: its children's are remembered, which mocks are not told of."""

        def remember(args: pulumi.ResourceTransformationArgs) -> None:
            self.options[args.name] = args.opts

        return pulumi.ResourceOptions(transformations=[remember])

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """What was made of a kind, by name: ``Droplet``."""
        return {name: made for name, made in self.created.items() if made["type"].endswith(f":{kind}")}


def start(preview: bool = False) -> FakeCloud:
    asyncio.set_event_loop(asyncio.new_event_loop())
    fake = FakeCloud()
    mocks.set_mocks(fake, project="slipway", stack="test", preview=preview)
    return fake


def run(program: Callable[[], object]) -> None:
    """Run a program to its end, outputs included."""
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def network_args(key: str | None = None) -> NetworkArgs:
    return NetworkArgs(
        prefix="slipway-test",
        region="nyc3",
        vpc_cidr=IPv4Network("10.10.0.0/20"),
        admin_cidrs=[IPv4Network("203.0.113.0/24")],
        ssh_public_key=key,
    )
