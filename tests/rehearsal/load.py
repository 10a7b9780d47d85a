"""``make bench-api``: how quickly the API answers at a steady rate, with many droplets, and how much memory it takes.

Requests are sent at their time whether or not earlier ones were answered, and their latency counts from that time: an API that
stalls is not asked more slowly for it.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx

from rehearsal.config import CloudConfig

CLOUD = "load"
MOST = {"p99_ms": 20, "memory_mb": 300}
"""With what the command succeeds."""

AT_ONCE = 10
"""Droplets that one request may make."""

CONNECTIONS = 50
WARM_UP_SECONDS = 3

MIX = {
    "get a droplet": 45,
    "list 20 droplets": 15,
    "list 200 droplets": 2,
    "list by tag": 5,
    "get an action": 18,
    "tag a droplet": 5,
    "untag a droplet": 5,
    "create a droplet": 2,
    "delete a droplet": 2,
    "get a firewall": 1,
}
"""What is asked, in percent: mostly what clients do that wait for something."""


class Load:
    """One cloud under load."""

    def __init__(self, config: CloudConfig, droplets: int) -> None:
        self._droplets = droplets
        self._http = httpx.AsyncClient(
            base_url=config.api_url,
            headers={"Authorization": f"Bearer {config.token}"},
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            timeout=30,
            trust_env=False,
        )
        self._ids: list[int] = []
        self._actions: list[int] = []
        self._spare: list[int] = []
        """Made under load: these are deleted, so that the others stay as many."""
        self._firewall = ""
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.refused: list[str] = []

    async def fill(self) -> None:
        """Make the droplets, under a firewall that covers them by tag."""
        firewall = {
            "name": "load",
            "tags": ["load"],
            "inbound_rules": [
                {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
            ],
        }
        for tag in ("load", "some"):
            await self._ask("POST", "/v2/tags", {"name": tag})
        self._firewall = (await self._ask("POST", "/v2/firewalls", firewall))["firewall"]["id"]
        for first in range(0, self._droplets, AT_ONCE):
            made = await self._ask(
                "POST", "/v2/droplets", self._body([f"load{first + one}" for one in range(AT_ONCE)])
            )
            self._ids += [droplet["id"] for droplet in made["droplets"]]
            self._actions += [action["id"] for action in made["links"]["actions"]]
        while (await self._ask("GET", f"/v2/actions/{self._actions[-1]}"))["action"][
            "status"
        ] == "in-progress":
            await asyncio.sleep(0.2)

    async def steady(self, rate: int, seconds: float) -> None:
        """Ask so many times a second, for so long."""
        chance = random.Random(1)
        start, tasks = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            [kind] = chance.choices(list(MIX), list(MIX.values()))
            tasks.append(asyncio.create_task(self._timed(kind, chance, due)))
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        await self._http.aclose()

    async def _timed(self, kind: str, chance: random.Random, due: float) -> None:
        try:
            await self._one(kind, chance)
        except httpx.HTTPStatusError as refused:
            self.refused.append(
                f"{kind}: {refused.response.status_code} {refused.response.text[:200]}"
            )
        self.latencies[kind].append(time.perf_counter() - due)

    async def _one(self, kind: str, chance: random.Random) -> None:
        id = chance.choice(self._ids)
        tagged = {"resources": [{"resource_id": str(id), "resource_type": "droplet"}]}
        match kind:
            case "get a droplet":
                await self._ask("GET", f"/v2/droplets/{id}")
            case "list 20 droplets":
                await self._ask(
                    "GET", f"/v2/droplets?page={chance.randint(1, self._droplets // 20)}"
                )
            case "list 200 droplets":
                await self._ask("GET", "/v2/droplets?per_page=200")
            case "list by tag":
                await self._ask("GET", "/v2/droplets?tag_name=some")
            case "get an action":
                await self._ask("GET", f"/v2/actions/{chance.choice(self._actions)}")
            case "tag a droplet":
                await self._ask("POST", "/v2/tags/some/resources", tagged)
            case "untag a droplet":
                await self._ask("DELETE", "/v2/tags/some/resources", tagged)
            case "create a droplet":
                made = await self._ask("POST", "/v2/droplets", self._body(["spare"]))
                self._spare.append(made["droplets"][0]["id"])
            case "delete a droplet" if len(self._spare) > 10:
                await self._ask("DELETE", f"/v2/droplets/{self._spare.pop(0)}")
            case _:
                await self._ask("GET", f"/v2/firewalls/{self._firewall}")

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self._http.request(method, path, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    def _body(self, names: list[str]) -> dict[str, Any]:
        return {
            "names": names,
            "region": "nyc3",
            "size": "s-1vcpu-1gb",
            "image": "debian-12-x64",
            "tags": ["load"],
        }


def memory(config: CloudConfig) -> float:
    """The most that the API's process has taken, MB."""
    pid = (config.directory / "api.pid").read_text()
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        / 1024
    )


def percentile(values: list[float], percent: int) -> float:
    """In milliseconds."""
    return (
        round(statistics.quantiles(values, n=100)[percent - 1] * 1000, 1)
        if len(values) > 1
        else 0.0
    )


async def measure(config: CloudConfig, options: argparse.Namespace) -> dict[str, Any]:
    gc.disable()  # the client's own pauses are no news of the API
    load = Load(config, options.droplets)
    try:
        say(f"making {options.droplets} droplets")
        start = time.perf_counter()
        await load.fill()
        filled = time.perf_counter() - start
        await load.steady(options.rate, WARM_UP_SECONDS)
        load.latencies.clear()
        say(f"{options.rate} requests a second for {options.seconds} s")
        await load.steady(options.rate, options.seconds)
    finally:
        await load.close()
    everything = [latency for latencies in load.latencies.values() for latency in latencies]
    return {
        "droplets": options.droplets,
        "requests": len(everything),
        "filled_seconds": round(filled, 1),
        "p50_ms": percentile(everything, 50),
        "p99_ms": percentile(everything, 99),
        "p99_ms_of": {
            kind: percentile(latencies, 99) for kind, latencies in sorted(load.latencies.items())
        },
        "memory_mb": round(memory(config), 1),
        "refused": load.refused,
    }


def say(what: str) -> None:
    print(what, file=sys.stderr)


def rehearsal(verb: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "rehearsal", verb, "--cloud", CLOUD, *words], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.load", description=__doc__)
    parser.add_argument(
        "--droplets",
        type=int,
        default=1000,
        metavar="N",
        help="memory droplets (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=int,
        default=200,
        metavar="N",
        help="requests a second (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=int, default=30, metavar="N", help="for so long (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        rehearsal(
            "up",
            "--quiet",
            "--machines",
            "memory",
            "--requests-an-hour",
            "100000000",
            "--requests-a-minute",
            "100000000",
        )
        found = asyncio.run(measure(CloudConfig.load(CLOUD), options))
    finally:
        rehearsal("down")
    print(json.dumps(found, indent=2))
    missed = [
        f"{name} is {found[name]}, more than {most}"
        for name, most in MOST.items()
        if found[name] > most
    ] + found["refused"]
    for problem in missed:
        say(problem)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
