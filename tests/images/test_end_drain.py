"""A node that was shut down ends its own drain, with its own secret."""

import http.client
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.images.support.programs import LoadModule
from tests.images.support.servers import serve_in_thread


class Nomad(HTTPServer):
    """Answers every request with ``status`` and records path, token and body."""

    status = 200
    requests: list[tuple[str, str | None, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Nomad

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["X-Nomad-Token"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def end_drain(load: LoadModule) -> Any:
    return load("end_drain")


@pytest.fixture
def nomad(end_drain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nomad]:
    server = Nomad(("127.0.0.1", 0), Handler)
    server.requests = []
    monkeypatch.setattr(
        end_drain, "connect", lambda: http.client.HTTPConnection("127.0.0.1", server.server_port)
    )
    monkeypatch.setattr(end_drain, "DRAIN_MARKER", tmp_path / "drained")
    monkeypatch.setattr(end_drain, "CLIENT_STATE", tmp_path / "client")
    (tmp_path / "drained").touch()
    with serve_in_thread(server):
        yield server


@pytest.fixture
def worker(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client/client-id").write_text("the-node")
    (tmp_path / "client/secret-id").write_text("its-secret")


@pytest.mark.usefixtures("worker")
def test_a_worker_ends_its_own_drain_once(end_drain: Any, nomad: Nomad, tmp_path: Path) -> None:
    assert end_drain.main() == 0
    assert nomad.requests == [
        ("/v1/node/the-node/drain", "its-secret", {"DrainSpec": None, "MarkEligible": True})
    ]
    assert not (tmp_path / "drained").exists()


@pytest.mark.usefixtures("worker")
def test_a_failed_request_is_to_be_repeated(
    end_drain: Any, nomad: Nomad, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nomad.status = 500
    assert end_drain.main() == 1
    assert (tmp_path / "drained").exists()
    output = capsys.readouterr().err
    assert "500" in output and "its-secret" not in output


def test_a_prime_sends_no_request(end_drain: Any, nomad: Nomad, tmp_path: Path) -> None:
    assert end_drain.main() == 0
    assert nomad.requests == [] and not (tmp_path / "drained").exists()
