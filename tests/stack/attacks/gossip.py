"""Agents of the attacker's own, by the real programs, that try to join in the talk of the others."""

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import SECONDS, Api
from tests.stack.attacks.namespaces import within
from tests.stack.attacks.server_rpc import tried
from tests.stack.attacks.target import Place, Victim
from toolchain import tools

START_SECONDS = 15.0
END_SECONDS = 10.0
HTTP, SERF, RPC = 15500, 15501, 15502
"""Ports of the attacker's agents, outside of what any firewall lets in."""


@dataclass
class Rogue:
    """An agent of the attacker's. A server that ``joined`` says good-bye at its end, lest it be counted on."""

    api: Api
    joined: bool = False


@contextmanager
def rogue(program: str, place: Place, config: Mapping[str, Any]) -> Iterator[Rogue]:
    """An agent in the network of ``place``, of which nothing stays.

    Raises:
        AssertionError: it does not start; with what it said.
    """
    with tempfile.TemporaryDirectory() as own:
        file, log = Path(own, "config.json"), Path(own, "log")
        file.write_text(
            json.dumps({"data_dir": f"{own}/data", "disable_update_check": True, **config})
        )
        command = [
            "ip",
            "netns",
            "exec",
            place.station,
            str(tools.bin_dir() / program),
            "agent",
            f"-config={file}",
        ]
        if program == "consul":
            command[-1] = f"-config-file={file}"
        made = Rogue(Api(f"http://127.0.0.1:{HTTP}", station=place.station))
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not made.api.ask("GET", "/v1/agent/self").status:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()[
                    -2000:
                ]
                time.sleep(0.05)
            yield made
        finally:
            if made.joined:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
            process.kill()
            process.wait()


def _new_name() -> str:
    """Who has left is not taken back under the same name at once."""
    return f"intruder-{secrets.token_hex(3)}"


def _consul(place: Place, name: str) -> dict[str, Any]:
    return {
        "node_name": name,
        "bind_addr": place.own,
        "client_addr": "127.0.0.1",
        "ports": {"http": HTTP, "dns": -1, "grpc": -1, "serf_lan": SERF, "server": RPC},
        "leave_on_terminate": True,
        "performance": {"leave_drain_time": "0s"},
    }


def _nomad(place: Place, name: str, key: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "bind_addr": place.own,
        "addresses": {"http": "127.0.0.1"},
        "advertise": {"http": place.own},
        "ports": {"http": HTTP, "serf": SERF, "rpc": RPC},
        "server": {"enabled": True, **key},
        "consul": {"auto_advertise": False, "server_auto_join": False},
        "leave_on_terminate": True,
    }


def _joins_consul(victim: Victim, key: dict[str, str]) -> Outcome:
    place, name = victim.inside, _new_name()
    with rogue(
        "consul", place, {"datacenter": victim.datacenter, **_consul(place, name), **key}
    ) as own:
        answer = own.api.ask("PUT", f"/v1/agent/join/{place.server}:8301")
        known = {
            member["Name"]: member["Status"] for member in victim.manager("/v1/agent/members").json
        }
    return Outcome(known.get(name) == 1, f"{answer.seen}; members: {known}")


def _joins_nomad(victim: Victim, key: dict[str, str]) -> Outcome:
    """On the server's own machine, for no other one reaches that port."""
    place, name = victim.beside, _new_name()
    with rogue(
        "nomad", place, {"datacenter": victim.datacenter, **_nomad(place, name, key)}
    ) as own:
        answer = own.api.ask("PUT", f"/v1/agent/join?address={place.server}:4648")
        known = {
            member["Name"]: member["Status"]
            for member in victim.nomad_manager("/v1/agent/members").json["Members"]
        }
        own.joined = known.get(f"{name}.global") == "alive"
    return Outcome(own.joined, f"{answer.seen}; members: {known}")


def _another_key(victim: Victim) -> dict[str, str]:
    """One of the kind that the victim's agents have, if they have any."""
    return {"encrypt": base64.b64encode(os.urandom(32)).decode()} if victim.guarded else {}


def _reaches_serf(victim: Victim) -> Outcome:
    def connect() -> str:
        with socket.create_connection((victim.inside.server, 4648), SECONDS) as connection:
            return f"connected to {connection.getpeername()}"

    return tried(lambda: within(victim.inside.station, connect), b"connected")


ATTACKS = [
    Attack(
        "Consul's agents talk with one that has no key",
        lambda victim: _joins_consul(victim, {}),
        "encryption is not configured",
    ),
    Attack(
        "Consul's agents talk with one that has another key",
        lambda victim: _joins_consul(victim, _another_key(victim)),
        "No installed keys could decrypt",
    ),
    Attack(
        "Nomad's servers talk with one that has no key",
        lambda victim: _joins_nomad(victim, {}),
        "encryption is not configured",
    ),
    Attack(
        "Nomad's servers talk with one that has another key",
        lambda victim: _joins_nomad(victim, _another_key(victim)),
        "no installed keys could decrypt",
    ),
    Attack("Nomad's servers listen to a worker's talk", _reaches_serf, "TimeoutError"),
]
