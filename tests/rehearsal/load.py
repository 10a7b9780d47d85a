"""Measure the API's latency at a steady rate, with many droplets, and its memory (make bench-api).

Each request is sent at its scheduled time, even if earlier ones have no response yet. Its latency
includes the delay since that time, so that a slow API does not reduce the load.
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
LIMITS = {"p99_ms": 20, "memory_mb": 300}
"""The command fails if a measured value is higher."""

DROPLETS_PER_REQUEST = 10

CONNECTIONS = 50
WARM_UP_S = 3

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
"""Percentages of requests. Most are those of clients that wait for a change."""


class Load:
    """The load on one cloud."""

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
        """Droplets created under load, which are deleted again."""
        self._firewall = ""
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    async def fill(self) -> None:
        """Create the droplets, and a firewall for their tag."""
        firewall = {
            "name": "load",
            "tags": ["load"],
            "inbound_rules": [
                {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
            ],
        }
        for tag in ("load", "some"):
            await self._request("POST", "/v2/tags", {"name": tag})
        self._firewall = (await self._request("POST", "/v2/firewalls", firewall))["firewall"]["id"]
        for first in range(0, self._droplets, DROPLETS_PER_REQUEST):
            made = await self._request(
                "POST",
                "/v2/droplets",
                self._body([f"load{first + offset}" for offset in range(DROPLETS_PER_REQUEST)]),
            )
            self._ids += [droplet["id"] for droplet in made["droplets"]]
            self._actions += [action["id"] for action in made["links"]["actions"]]
        while (await self._request("GET", f"/v2/actions/{self._actions[-1]}"))["action"][
            "status"
        ] == "in-progress":
            await asyncio.sleep(0.2)

    async def run(self, rate: int, seconds: float) -> None:
        """Send ``rate`` requests a second for ``seconds``."""
        rng = random.Random(1)
        start, tasks = time.perf_counter(), []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            [kind] = rng.choices(list(MIX), list(MIX.values()))
            tasks.append(asyncio.create_task(self._measure(kind, rng, due)))
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        await self._http.aclose()

    async def _measure(self, kind: str, rng: random.Random, due: float) -> None:
        try:
            await self._send(kind, rng)
        except httpx.HTTPStatusError as error:
            self.errors.append(f"{kind}: {error.response.status_code} {error.response.text[:200]}")
        self.latencies[kind].append(time.perf_counter() - due)

    async def _send(self, kind: str, rng: random.Random) -> None:
        id = rng.choice(self._ids)
        tagged = {"resources": [{"resource_id": str(id), "resource_type": "droplet"}]}
        match kind:
            case "get a droplet":
                await self._request("GET", f"/v2/droplets/{id}")
            case "list 20 droplets":
                await self._request(
                    "GET", f"/v2/droplets?page={rng.randint(1, self._droplets // 20)}"
                )
            case "list 200 droplets":
                await self._request("GET", "/v2/droplets?per_page=200")
            case "list by tag":
                await self._request("GET", "/v2/droplets?tag_name=some")
            case "get an action":
                await self._request("GET", f"/v2/actions/{rng.choice(self._actions)}")
            case "tag a droplet":
                await self._request("POST", "/v2/tags/some/resources", tagged)
            case "untag a droplet":
                await self._request("DELETE", "/v2/tags/some/resources", tagged)
            case "create a droplet":
                made = await self._request("POST", "/v2/droplets", self._body(["spare"]))
                self._spare.append(made["droplets"][0]["id"])
            case "delete a droplet" if len(self._spare) > 10:
                await self._request("DELETE", f"/v2/droplets/{self._spare.pop(0)}")
            case _:
                await self._request("GET", f"/v2/firewalls/{self._firewall}")

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
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


def peak_memory_mb(config: CloudConfig) -> float:
    """Return the peak memory of the API's process in MB."""
    pid = (config.directory / "api.pid").read_text()
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        / 1024
    )


def percentile_ms(values: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return (
        round(statistics.quantiles(values, n=100)[percent - 1] * 1000, 1)
        if len(values) > 1
        else 0.0
    )


async def measure(config: CloudConfig, args: argparse.Namespace) -> dict[str, Any]:
    gc.disable()  # pauses of the client would count as latency
    load = Load(config, args.droplets)
    try:
        log(f"Creating {args.droplets} droplets.")
        start = time.perf_counter()
        await load.fill()
        filled = time.perf_counter() - start
        await load.run(args.rate, WARM_UP_S)
        load.latencies.clear()
        log(f"Sending {args.rate} requests a second for {args.seconds} s.")
        await load.run(args.rate, args.seconds)
    finally:
        await load.close()
    everything = [latency for latencies in load.latencies.values() for latency in latencies]
    return {
        "droplets": args.droplets,
        "requests": len(everything),
        "filled_seconds": round(filled, 1),
        "p50_ms": percentile_ms(everything, 50),
        "p99_ms": percentile_ms(everything, 99),
        "p99_ms_of": {
            kind: percentile_ms(latencies, 99) for kind, latencies in sorted(load.latencies.items())
        },
        "memory_mb": round(peak_memory_mb(config), 1),
        "errors": load.errors,
    }


def log(message: str) -> None:
    print(message, file=sys.stderr)


def rehearsal(command: str, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "rehearsal", command, "--cloud", CLOUD, *args], check=True
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.load", description=__doc__)
    parser.add_argument(
        "--droplets",
        type=int,
        default=1000,
        metavar="N",
        help="The number of droplets (default: %(default)s).",
    )
    parser.add_argument(
        "--rate",
        type=int,
        default=200,
        metavar="N",
        help="Requests a second (default: %(default)s).",
    )
    parser.add_argument(
        "--seconds",
        type=int,
        default=30,
        metavar="N",
        help="The duration of the measurement (default: %(default)s).",
    )
    args = parser.parse_args()
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
        result = asyncio.run(measure(CloudConfig.load(CLOUD), args))
    finally:
        rehearsal("down")
    print(json.dumps(result, indent=2))
    problems = [
        f"{name} is {result[name]}, more than {limit}"
        for name, limit in LIMITS.items()
        if result[name] > limit
    ] + result["errors"]
    for problem in problems:
        log(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
