"""A cloud's API as a process of its own, that may be killed."""

import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import requests

from rehearsal.config import CloudConfig
from rehearsal.server import serve

UNLIMITED = 10_000_000
START_SECONDS = 60
PAGE = 200


def facts(directory: Path) -> CloudConfig:
    """A cloud of memory machines on a free port; ``SLIPWAY_STATE`` must be the directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = CloudConfig(
        name="durable",
        index=15,
        machines="memory",
        port=port,
        token="t" * 64,
        spaces_key="key",
        spaces_secret="secret",
        requests_an_hour=UNLIMITED,
        requests_a_minute=UNLIMITED,
    )
    assert config.directory.is_relative_to(directory)
    config.save()
    return config


class Asker:
    """One client of the API."""

    def __init__(self, config: CloudConfig) -> None:
        self._url = config.api_url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {config.token}"

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of the answer.

        Raises:
            requests.ConnectionError: it was killed.
        """
        answer = self._http.request(method, self._url + path, json=body, timeout=30)
        return answer.status_code, answer.json() if answer.content else None

    def all(self, kind: str, path: str = "") -> list[dict[str, Any]]:
        """Every object of a list, page by page."""
        found: list[dict[str, Any]] = []
        for page in range(1, 10_000):
            status, body = self("GET", f"{path or f'/v2/{kind}'}?per_page={PAGE}&page={page}")
            assert status == 200, body
            found += body[kind]
            if len(body[kind]) < PAGE:
                break
        return found


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["rehearsal.server"]
)  # importing takes longer than all else that a start does


@contextmanager
def serving(config: CloudConfig) -> Iterator[BaseProcess]:
    """The API in a process of its own, once it answers; killed at the end."""
    process = _FORKS.Process(target=_serve, args=(config.name, os.environ["SLIPWAY_STATE"]))
    process.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(config):
            assert process.is_alive(), f"serve ended with {process.exitcode}"
            assert time.monotonic() < deadline, "serve does not answer"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.join()


def _serve(name: str, state: str) -> None:
    os.environ["SLIPWAY_STATE"] = state
    config = CloudConfig.load(name)
    serve(config, config.limits)


def _answers(config: CloudConfig) -> bool:
    try:
        return requests.get(f"{config.api_url}/_rehearsal/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def settled(ask: Asker) -> list[dict[str, Any]]:
    """The droplets, once nothing is in progress any more.

    Raises:
        AssertionError: something stays in progress.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        begun = [action for action in ask.all("actions") if action["status"] == "in-progress"]
        droplets = ask.all("droplets")
        if not begun and not any(droplet["locked"] for droplet in droplets):
            return droplets
        assert time.monotonic() < deadline, f"in progress for ever: {begun}"
        time.sleep(0.05)


def inconsistencies(ask: Asker, droplets: list[dict[str, Any]]) -> list[str]:
    """What contradicts itself in what the API tells of a cloud at rest."""
    ids = {droplet["id"] for droplet in droplets}
    tags = {tag["name"].lower(): tag["resources"]["droplets"]["count"] for tag in ask.all("tags")}
    worn = [tag.lower() for droplet in droplets for tag in droplet["tags"]]
    addresses = [
        network["ip_address"] for droplet in droplets for network in droplet["networks"]["v4"]
    ]
    named = [id for firewall in ask.all("firewalls") for id in firewall["droplet_ids"] or []]
    projects = [project["id"] for project in ask.all("projects")]
    owned = [
        resource["urn"]
        for project in projects
        for resource in ask.all("resources", f"/v2/projects/{project}/resources")
    ]
    urns = [urn for urn in owned if urn.startswith("do:droplet:")]
    members = [
        member["urn"]
        for vpc in ask.all("vpcs")
        for member in ask.all("members", f"/v2/vpcs/{vpc['id']}/members")
    ]
    wrong = {
        "droplets of the same id": len(ids) != len(droplets),
        "droplets of the same address": len(set(addresses)) != len(addresses),
        "a droplet that is neither active nor off": any(
            droplet["status"] not in ("active", "off") for droplet in droplets
        ),
        "a tag that is not listed": not set(worn) <= tags.keys(),
        "a tag that counts wrongly": any(worn.count(tag) != count for tag, count in tags.items()),
        "a droplet that wears a tag twice": any(
            len(set(droplet["tags"])) != len(droplet["tags"]) for droplet in droplets
        ),
        "a firewall for what is gone": not set(named) <= ids,
        "a resource in two projects": len(set(owned)) != len(owned),
        "droplets of projects that are not the droplets": sorted(urns)
        != sorted(f"do:droplet:{id}" for id in ids),
        "members of VPCs that are not the droplets": {
            m for m in members if m.startswith("do:droplet:")
        }
        != {f"do:droplet:{id}" for id in ids},
        "more than one default project": len(
            [1 for project in ask.all("projects") if project["is_default"]]
        )
        > 1,
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]
