"""A client of the API under test that holds every answer against the API's description."""

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
WAIT_SECONDS = 10


class Client:
    """Calls the API as one account."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, json: Any = None, expect: int = 200) -> Any:
        """The body of the answer; fails for another status than ``expect``."""
        response = self.http.request(
            method, path if path.startswith("http") else self.url + path, json=json
        )
        body = response.json() if response.content else None
        assert response.status_code == expect, f"{method} {path}: {response.status_code} {body}"
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"} <= set(
            response.headers
        )
        coverage.note(method, urlsplit(response.url).path)
        spec.check(method, urlsplit(response.url).path, response.status_code, body)
        return body

    def refusal(self, method: str, path: str, json: Any = None, expect: int = 422) -> str:
        """The message with which the API refuses."""
        message: str = self(method, path, json, expect)["message"]
        return message

    def droplet(self, name: str = "one", **more: Any) -> dict[str, Any]:
        """A droplet that is active."""
        body = {
            "name": name,
            "region": "nyc3",
            "size": "s-1vcpu-1gb",
            "image": "debian-12-x64",
        } | more
        id = self("POST", "/v2/droplets", body, 202)["droplet"]["id"]
        return self.settled(id)

    def settled(self, id: int) -> dict[str, Any]:
        """The droplet, when nothing is pending."""

        def unlocked() -> Any:
            droplet = self("GET", f"/v2/droplets/{id}")["droplet"]
            return None if droplet["locked"] else droplet

        return until(unlocked)

    def act(self, id: int, **action: Any) -> dict[str, Any]:
        """A droplet's action, when it has ended."""
        begun = self("POST", f"/v2/droplets/{id}/actions", action, 201)["action"]
        assert (begun["status"], begun["completed_at"]) == ("in-progress", None)
        return self.ended(begun["id"])

    def ended(self, action_id: int) -> dict[str, Any]:
        def completed() -> Any:
            action = self("GET", f"/v2/actions/{action_id}")["action"]
            return action if action["completed_at"] else None

        return until(completed)

    def snapshot(self, name: str = "base.1") -> dict[str, Any]:
        """A snapshot of a droplet that is deleted again."""
        droplet = self.droplet("builder")
        assert self.act(droplet["id"], type="snapshot", name=name)["status"] == "completed"
        snapshots = self("GET", f"/v2/droplets/{droplet['id']}/snapshots")["snapshots"]
        self("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
        found: dict[str, Any] = next(snapshot for snapshot in snapshots if snapshot["name"] == name)
        return found


def until(seen: Callable[[], T | None]) -> T:
    """What ``seen`` gives as soon as it is something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = seen()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it was not seen in time")


@contextmanager
def running(
    config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
) -> Iterator[Client]:
    """The API of a cloud in this process, ready."""
    with serving(config, machines, limits) as client:
        until(lambda: requests.get(f"{client.url}/_rehearsal/health", timeout=5).json()["ready"])
        yield client


@contextmanager
def serving(
    config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
) -> Iterator[Client]:
    """The API of a cloud in this process, whether or not its machines start."""
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
