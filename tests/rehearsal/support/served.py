"""A cloud's API in a separate process, which tests can kill."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import requests

from rehearsal.config import CloudConfig
from rehearsal.polling import wait_until
from rehearsal.server import serve
from tests.rehearsal.support.client import Client

ROOT = Path(__file__).resolve().parents[3]
UNLIMITED = 10_000_000
START_TIMEOUT_S = 60
PAGE_SIZE = 200


def create_config(directory: Path) -> CloudConfig:
    """Create a cloud with memory machines on a free port. ``SLIPWAY_STATE`` is the directory."""
    config = CloudConfig(
        name="durable",
        index=15,
        machines="memory",
        port=1,
        token="t" * 64,
        spaces_key="key",
        spaces_secret="secret",
        requests_an_hour=UNLIMITED,
        requests_a_minute=UNLIMITED,
    )
    assert config.directory.is_relative_to(directory)
    return assign_free_port(config)


def assign_free_port(config: CloudConfig) -> CloudConfig:
    """Return the configuration with a free port, and save it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        config = config.model_copy(update={"port": probe.getsockname()[1]})
    config.save()
    return config


class ApiClient:
    """A client that returns status and body, without checks."""

    def __init__(self, config: CloudConfig) -> None:
        self._url = config.api_url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {config.token}"

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and body of a response.

        Raises:
            requests.ConnectionError: the API was killed.
        """
        response = self._http.request(method, self._url + path, json=body, timeout=30)
        return response.status_code, response.json() if response.content else None

    def all(self, kind: str, path: str = "") -> list[dict[str, Any]]:
        """Return all objects of a list, from all pages."""
        objects: list[dict[str, Any]] = []
        for page in range(1, 10_000):
            status, body = self("GET", f"{path or f'/v2/{kind}'}?per_page={PAGE_SIZE}&page={page}")
            assert status == 200, body
            objects += body[kind]
            if len(body[kind]) < PAGE_SIZE:
                break
        return objects


_CONTEXT = multiprocessing.get_context("forkserver")
# Imports take most of the time of a start.
_CONTEXT.set_forkserver_preload(["rehearsal.server"])


@contextmanager
def serving(config: CloudConfig) -> Iterator[BaseProcess]:
    """Serve the API in a separate process, wait until it is ready, and kill it at the end."""
    process = _CONTEXT.Process(target=_serve, args=(config.name, os.environ["SLIPWAY_STATE"]))
    process.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _is_ready(config):
            assert process.is_alive(), f"serve ended with {process.exitcode}"
            assert time.monotonic() < deadline, "serve is not ready in time"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.join()


@contextmanager
def serve_command(config: CloudConfig) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """Run ``python -m rehearsal serve``, wait until it is ready, and kill it at the end."""
    command = [sys.executable, "-m", "rehearsal", "serve", "--cloud", config.name]
    process = subprocess.Popen([*command, "--requests-a-minute", "100000"], cwd=ROOT)
    try:
        assert wait_until(lambda: _is_ready(config), START_TIMEOUT_S), "serve is not ready in time"
        yield process, Client(config.api_url, config.token)
    finally:
        process.kill()
        process.wait()


def _serve(name: str, state: str) -> None:
    os.environ["SLIPWAY_STATE"] = state
    config = CloudConfig.load(name)
    serve(config, config.limits)


def _is_ready(config: CloudConfig) -> bool:
    try:
        return requests.get(f"{config.api_url}/_rehearsal/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def wait_until_idle(api: ApiClient) -> list[dict[str, Any]]:
    """Return the droplets, once no action is in progress.

    Raises:
        AssertionError: an action does not end.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        unfinished = [action for action in api.all("actions") if action["status"] == "in-progress"]
        droplets = api.all("droplets")
        if not unfinished and not any(droplet["locked"] for droplet in droplets):
            return droplets
        assert time.monotonic() < deadline, f"still in progress: {unfinished}"
        time.sleep(0.05)


def inconsistencies(api: ApiClient, droplets: list[dict[str, Any]]) -> list[str]:
    """Return the contradictions between the API's responses about an idle cloud."""
    ids = {droplet["id"] for droplet in droplets}
    tags = {tag["name"].lower(): tag["resources"]["droplets"]["count"] for tag in api.all("tags")}
    used_tags = [tag.lower() for droplet in droplets for tag in droplet["tags"]]
    addresses = [
        network["ip_address"] for droplet in droplets for network in droplet["networks"]["v4"]
    ]
    firewall_droplets = [
        id for firewall in api.all("firewalls") for id in firewall["droplet_ids"] or []
    ]
    projects = [project["id"] for project in api.all("projects")]
    assigned = [
        resource["urn"]
        for project in projects
        for resource in api.all("resources", f"/v2/projects/{project}/resources")
    ]
    urns = [urn for urn in assigned if urn.startswith("do:droplet:")]
    members = [
        member["urn"]
        for vpc in api.all("vpcs")
        for member in api.all("members", f"/v2/vpcs/{vpc['id']}/members")
    ]
    contradictions = {
        "droplets with the same id": len(ids) != len(droplets),
        "droplets with the same address": len(set(addresses)) != len(addresses),
        "a droplet that is neither active nor off": any(
            droplet["status"] not in ("active", "off") for droplet in droplets
        ),
        "a tag that is not listed": not set(used_tags) <= tags.keys(),
        "a tag with a wrong count": any(
            used_tags.count(tag) != count for tag, count in tags.items()
        ),
        "a droplet with a tag twice": any(
            len(set(droplet["tags"])) != len(droplet["tags"]) for droplet in droplets
        ),
        "a firewall with a droplet that does not exist": not set(firewall_droplets) <= ids,
        "a resource in two projects": len(set(assigned)) != len(assigned),
        "projects whose droplets are not the account's": sorted(urns)
        != sorted(f"do:droplet:{id}" for id in ids),
        "VPCs whose members are not the account's droplets": {
            m for m in members if m.startswith("do:droplet:")
        }
        != {f"do:droplet:{id}" for id in ids},
        "more than one default project": len(
            [1 for project in api.all("projects") if project["is_default"]]
        )
        > 1,
    }
    return [name for name, is_present in contradictions.items() if is_present]
