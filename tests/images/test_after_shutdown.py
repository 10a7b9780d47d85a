"""A node that was shut down asks for work again, by its own secret, until it was heard."""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import Tool


class Nomad(HTTPServer):
    """Answers with ``status`` and remembers what was asked."""

    status = 200
    asked: list[tuple[str, str | None, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Nomad

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["X-Nomad-Token"], body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def after_shutdown(tool: Tool) -> Any:
    return tool("after_shutdown")


@pytest.fixture
def nomad(after_shutdown: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nomad]:
    server = Nomad(("127.0.0.1", 0), Handler)
    server.asked = []
    monkeypatch.setattr(
        after_shutdown, "dial", lambda: http.client.HTTPConnection("127.0.0.1", server.server_port)
    )
    monkeypatch.setattr(after_shutdown, "DRAINED", tmp_path / "drained")
    monkeypatch.setattr(after_shutdown, "CLIENT", tmp_path / "client")
    (tmp_path / "drained").touch()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def worker(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client/client-id").write_text("the-node")
    (tmp_path / "client/secret-id").write_text("its-secret")


@pytest.mark.usefixtures("worker")
def test_a_worker_ends_its_own_drain_once(
    after_shutdown: Any, nomad: Nomad, tmp_path: Path
) -> None:
    assert after_shutdown.main() == 0
    assert nomad.asked == [
        ("/v1/node/the-node/drain", "its-secret", {"DrainSpec": None, "MarkEligible": True})
    ]
    assert not (tmp_path / "drained").exists()


@pytest.mark.usefixtures("worker")
def test_one_that_was_not_heard_asks_again(
    after_shutdown: Any, nomad: Nomad, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nomad.status = 500
    assert after_shutdown.main() == 1
    assert (tmp_path / "drained").exists()
    said = capsys.readouterr().err
    assert "500" in said and "its-secret" not in said


def test_a_prime_has_nothing_to_ask(after_shutdown: Any, nomad: Nomad, tmp_path: Path) -> None:
    assert after_shutdown.main() == 0
    assert nomad.asked == [] and not (tmp_path / "drained").exists()
