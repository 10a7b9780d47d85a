"""The agents of a cluster as they answer over HTTP; a test says who is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.agents import Member
from tests.infra.answering import answering


def member(name: str, number: int, *, created: int = 0) -> Member:
    return Member(
        name=name,
        droplet=str(number),
        created=f"2026-01-01T00:00:{created:02d}Z",
        address=f"10.10.0.{number}",
        public=f"198.18.0.{number}",
    )


class Agents:
    """Consul and Nomad. What is not set yet is not there yet."""

    def __init__(self) -> None:
        self.leaders = True
        self.consul: list[tuple[Member, int]] = []
        self.servers: list[Member] = []
        self.nodes: list[tuple[Member, str]] = []
        self.looks = 0
        self.introduced: list[str] = []

    def everyone(self, primes: list[Member], workers: list[Member]) -> None:
        """All are there."""
        self.consul = [(one, 1) for one in (*primes, *workers)]
        self.servers = primes
        self.nodes = [(one, "ready") for one in workers]

    def answer(self, kind: str, path: str) -> Any:
        if path == "/v1/status/leader":
            self.looks += 1
            return "10.10.0.2:8300" if self.leaders else ""
        if path.startswith("/v1/agent/join/"):
            self.introduced.append(path.rpartition("/")[2])
            return {}
        if path == "/v1/nodes":
            return [{"Name": m["name"], "Address": m["address"], "Status": s, "SchedulingEligibility": "eligible"} for m, s in self.nodes]
        if kind == "consul":
            return [{"Name": m["name"], "Addr": m["address"], "Status": status} for m, status in self.consul]
        return {"Members": [{"Name": f"{m['name']}.global", "Addr": m["address"], "Status": "alive"} for m in self.servers]}


@contextmanager
def serving(agents: Agents) -> Iterator[tuple[str, str]]:
    """``agents`` behind two ports of their own; gives Consul's address and Nomad's URL."""
    with (
        answering(lambda path, _: (200, agents.answer("consul", path))) as consul,
        answering(lambda path, _: (200, agents.answer("nomad", path))) as nomad,
    ):
        yield consul, f"http://{nomad}"
