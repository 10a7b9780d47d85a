"""A client of the API under test, which validates each response against the specification."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import uvicorn

from rehearsal.config import CloudConfig
from rehearsal.limits import DIGITALOCEAN_LIMITS, RateLimits
from rehearsal.server import Api
from rehearsal.topology.protocol import Machines
from tests.rehearsal.support import coverage, spec

T = TypeVar("T")
WAIT_TIMEOUT_S = 30

UNLIMITED = RateLimits(per_hour=1_000_000, per_minute=1_000_000, key_lists_per_minute=1_000_000)


class Client:
    """Calls the API as one account."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, json: Any = None, expect: int = 200) -> Any:
        """Return the body of a response, which must have the status ``expect``."""
        response = self.http.request(
            method, path if path.startswith("http") else self.url + path, json=json
        )
        body = response.json() if response.content else None
        assert response.status_code == expect, f"{method} {path}: {response.status_code} {body}"
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"} <= set(
            response.headers
        )
        coverage.record_request(method, urlsplit(response.url).path)
        spec.check(method, urlsplit(response.url).path, response.status_code, body)
        return body

    def error_message(self, method: str, path: str, json: Any = None, expect: int = 422) -> str:
        """Return the message of an error response."""
        message: str = self(method, path, json, expect)["message"]
        return message

    def droplet(self, name: str = "one", **more: Any) -> dict[str, Any]:
        """Create a droplet and wait until it is active."""
        body = {
            "name": name,
            "region": "nyc3",
            "size": "s-1vcpu-1gb",
            "image": "debian-12-x64",
        } | more
        id = self("POST", "/v2/droplets", body, 202)["droplet"]["id"]
        return self.wait_until_unlocked(id)

    def wait_until_unlocked(self, id: int) -> dict[str, Any]:
        """Wait until a droplet is unlocked."""

        def unlocked() -> Any:
            droplet = self("GET", f"/v2/droplets/{id}")["droplet"]
            return None if droplet["locked"] else droplet

        return until(unlocked)

    def run_action(self, id: int, **action: Any) -> dict[str, Any]:
        """Run an action of a droplet to its end."""
        started = self("POST", f"/v2/droplets/{id}/actions", action, 201)["action"]
        assert (started["status"], started["completed_at"]) == ("in-progress", None)
        return self.wait_for_action(started["id"])

    def wait_for_action(self, action_id: int) -> dict[str, Any]:
        def completed() -> Any:
            action = self("GET", f"/v2/actions/{action_id}")["action"]
            return action if action["completed_at"] else None

        return until(completed)

    def snapshot(self, name: str = "base.1") -> dict[str, Any]:
        """Create a snapshot of a droplet, and delete the droplet."""
        droplet = self.droplet("builder")
        assert self.run_action(droplet["id"], type="snapshot", name=name)["status"] == "completed"
        snapshots = self("GET", f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
        self("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
        snapshot: dict[str, Any] = next(each for each in snapshots if each["name"] == name)
        return snapshot


def until(probe: Callable[[], T | None]) -> T:
    """Call ``probe`` until its result is true, and return the result."""
    deadline = time.monotonic() + WAIT_TIMEOUT_S
    while time.monotonic() < deadline:
        result = probe()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"no result within {WAIT_TIMEOUT_S} s")


@contextmanager
def running(
    config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
) -> Iterator[Client]:
    """Serve the API of a cloud in this process, and wait until the cloud has started."""
    with serving(config, machines, limits) as client:
        until(lambda: requests.get(f"{client.url}/_rehearsal/health", timeout=5).json()["ready"])
        yield client


@contextmanager
def serving(
    config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
) -> Iterator[Client]:
    """Serve the API of a cloud in this process, even if its machines do not start."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(Api(config, machines, limits).app, log_config=None, access_log=False)
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        client = Client("http://{}:{}".format(*listener.getsockname()), config.token)
        try:
            until(lambda: server.started)
            yield client
        finally:
            client.http.close()
            server.should_exit = True
            thread.join()
