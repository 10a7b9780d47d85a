"""The cluster as one thing that is there or not: made when all agents have found each other.

Whatever lives in the cluster (Nomad jobs, Consul entries) hangs on ``Readiness``: nothing of it starts before, and its
``id`` is the cluster's identity. A cluster is another one when none of its primes is left, for then its memory is gone;
a worker that comes or goes, or a prime among several, leaves it the same.

A dynamic provider runs in a process of its own and is kept in the state by name; it uses the declared inputs only.
"""

import time
from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import dynamic

from infra import agents
from infra.agents import Member
from infra.rejoin import outlived, rejoin

PACE = 0.5
"""Seconds between two looks at the cluster."""

SHYNESS = 10.0
"""Seconds that primes have to find each other before the one that is asked joins the others, and between two tries.

A prime made again knows none of the others if it is the first, and they know its former address only.
"""

COMPARED = ("primes", "workers", "consul", "nomad")
"""What makes a difference; a changed timeout makes none."""


class NotReadyError(Exception):
    """The cluster is not whole in time; the message names who is missing."""


def wait(props: dict[str, Any]) -> None:
    """Wait until every member is there, telling on standard output what is still missing.

    Raises:
        NotReadyError: after ``timeout`` seconds.
    """
    start = introduced = time.monotonic()
    told: list[str] = []
    while lacking := agents.missing(props["consul"], props["nomad"], props["primes"], props["workers"]):
        now = time.monotonic()
        if now - start > props["timeout"]:
            hint = "If no agent answers, is this machine in admin_cidrs? Else the journal of consul and nomad on the machine tells why."
            raise NotReadyError(f"after {props['timeout']:.0f} s the cluster lacks {', '.join(lacking)}. {hint}")
        if lacking != told:
            print(f"{now - start:.0f} s: waiting for {', '.join(lacking)}", flush=True)
            told = lacking
        if len(props["primes"]) > 1 and now - introduced > SHYNESS:
            for prime in props["primes"]:
                agents.introduce(props["consul"], prime)
            introduced = now
        time.sleep(PACE)
    print(f"{time.monotonic() - start:.0f} s: {len(props['primes'])} primes and {len(props['workers'])} workers are ready", flush=True)


def droplets(members: Any) -> set[str]:
    """Ids of the members' droplets; none where they are not known yet."""
    return {member["droplet"] for member in members} if isinstance(members, list) else set()


class ReadinessProvider(dynamic.ResourceProvider):
    """Takes over the machines of a former cluster and waits, on creation; waits on changes; there is nothing to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        if former := outlived(props["primes"], props["workers"]):
            print(f"{len(former)} workers knew another cluster and boot afresh", flush=True)
            rejoin(former, props["primes"], props["timeout"])
        wait(props)
        return dynamic.CreateResult("-".join(sorted(droplets(props["primes"]))), _declared(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        changed = [name for name in COMPARED if olds.get(name) != news.get(name)]
        another = not droplets(olds.get("primes")) & droplets(news.get("primes"))
        return dynamic.DiffResult(changes=bool(changed), replaces=["primes"] if another else [], delete_before_replace=False)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        wait(news)
        return dynamic.UpdateResult(_declared(news))


def _declared(props: dict[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in (*COMPARED, "timeout")}


class Readiness(dynamic.Resource, module="slipway", name="Readiness"):
    """There when every agent of the cluster is."""

    consul: pulumi.Output[str]
    """Host and port of a Consul server's HTTP."""
    nomad: pulumi.Output[str]
    """URL of a Nomad server."""

    def __init__(
        self,
        name: str,
        *,
        primes: pulumi.Input[Sequence[Member]],
        workers: pulumi.Input[Sequence[Member]],
        address: pulumi.Input[str],
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        address: public address of the prime that is asked.
        timeout: seconds that the agents have.
        """
        props = {
            "primes": primes,
            "workers": workers,
            "consul": pulumi.Output.concat(address, ":8500"),
            "nomad": pulumi.Output.concat("http://", address, ":4646"),
            "timeout": timeout,
        }
        super().__init__(ReadinessProvider(), name, props, opts)
