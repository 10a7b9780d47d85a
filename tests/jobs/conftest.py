"""A cluster seen from its providers: what was asked of them; and a Nomad that plans."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from infra.mtls import Access
from tests.deploy.certificates import Authority

TOKEN = "11111111-2222-3333-4444-555555555555"
REFUSALS = {400: b"1 error occurred: no datacenters", 403: b"Permission denied"}


class FakeCluster(mocks.Mocks):
    """Records what is registered, refuses to be asked for anything."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.created[args.name] = {**args.inputs, "token": args.typ}
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"no answer prepared for {args.token}")


@pytest.fixture
def cluster() -> FakeCluster:
    asyncio.set_event_loop(asyncio.new_event_loop())
    fake = FakeCluster()
    mocks.set_mocks(fake, project="slipway", stack="test", preview=False)
    return fake


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, pulumi.ResourceOptions]:
    """The options that each resource is registered with, by its name: mocks are not told of them."""
    seen: dict[str, pulumi.ResourceOptions] = {}
    register = pulumi.CustomResource.__init__

    def remember(
        self: pulumi.CustomResource,
        t: str,
        name: str,
        props: Any = None,
        opts: Any = None,
        *rest: Any,
        **more: Any,
    ) -> None:
        seen[name] = opts
        register(self, t, name, props, opts, *rest, **more)

    monkeypatch.setattr(pulumi.CustomResource, "__init__", remember)
    return seen


@dataclass
class Planner:
    """A Nomad server that can do no more than plan: how it answers, and what it was asked."""

    access: Access
    status: int = 200
    change: str = "Added"
    failures: list[dict[str, Any] | None] = field(default_factory=lambda: [None])
    """``FailedTGAllocs`` of each answer in turn; the last one stays."""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self) -> Any:
        failed = self.failures.pop(0) if len(self.failures) > 1 else self.failures[0]
        return {"Diff": {"Type": self.change}, "FailedTGAllocs": failed}


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("the stack's own")


@pytest.fixture
def planner(authority: Authority, tmp_path: Path) -> Iterator[Planner]:
    """Asked over mutual TLS only, and with the token."""
    told = Planner(
        Access(**authority.credentials(), consul="", nomad="", consul_token="", nomad_token=TOKEN)
    )

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:  # the name is http.server's
            told.asked.append(
                (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            )
            status = told.status if self.headers["X-Nomad-Token"] == TOKEN else 403
            content = json.dumps(told.answer()).encode() if status == 200 else REFUSALS[status]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server(tmp_path).wrap_socket(server.socket, server_side=True)
        told.access["nomad"] = f"https://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        server.shutdown()
        thread.join()
