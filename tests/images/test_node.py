"""What the image's other tools find out and wait for; they run on nodes with nothing but Debian's Python."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from cryptography import x509

from tests.images.conftest import Tool
from tests.images.material import Authority

LEADER = "server.global.nomad"


def install(tls: ModuleType, directory: Path, identity: dict[str, str]) -> None:
    """Give this machine a node's certificate."""
    vars(tls)["DIRECTORY"] = directory
    for path, text in zip(tls.paths(), identity.values(), strict=True):
        path.write_text(text)


def mutual(scratch: Path, identity: dict[str, str]) -> ssl.SSLContext:
    """A server's TLS that takes those alone whom the same authority signed."""
    pem = scratch / "server.pem"
    pem.write_text(identity["certificate"] + identity["key"])
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    made.load_verify_locations(cadata=identity["authority"])
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def test_consul_resolves_first_and_the_first_boot_s_resolvers_when_it_is_down(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = tool("resolver")
    managed = tmp_path / "managed.conf"
    managed.write_text(
        "search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver 2001:db8::1%eth0\nnameserver 192.0.2.3\n"
    )
    conf = tmp_path / "resolv.conf"
    conf.symlink_to(managed)
    for name, path in (
        ("RESOLV_CONF", conf),
        ("KEPT", tmp_path / "kept"),
        ("UPSTREAM_OF_RESOLVED", tmp_path / "none"),
    ):
        monkeypatch.setattr(resolver, name, path)
    upstream = resolver.original()
    assert upstream == ["192.0.2.1", "2001:db8::1%eth0", "192.0.2.3"]
    resolver.use_consul(upstream)
    lines = conf.read_text().splitlines()
    assert not conf.is_symlink() and "192.0.2.3" in managed.read_text()
    assert lines[1:5] == [
        "search example.org",
        "nameserver 127.0.0.1",
        "nameserver 192.0.2.1",
        "nameserver 2001:db8::1%eth0",
    ]
    assert resolver.original() == upstream, "after that resolv.conf no longer tells"
    before = conf.stat().st_ino
    resolver.use_consul(upstream)
    assert conf.stat().st_ino == before


def test_health_is_judged_as_a_script_check(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = tool("tool_hc")
    monkeypatch.setattr(check, "LEAVING", tmp_path / "leaving")
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 500 kB\n") == (0, "memory 50% free")
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 70 kB\n")[0] == 1
    assert check.memory("MemTotal: 1000 kB\nMemAvailable: 20 kB\n")[0] == 2
    monkeypatch.setattr(
        check,
        "findings",
        lambda: iter([(0, "disk / 50% free"), (2, "memory 1% free"), (1, "nomad does not answer")]),
    )
    assert check.main() == 2
    assert capsys.readouterr().out == "memory 1% free; nomad does not answer; disk / 50% free\n"
    (tmp_path / "leaving").touch()
    assert check.main() == 0


class Prime:
    """A server's RPC port: TLS once the first byte asked for it, then one answer; what it was asked, and by whom."""

    def __init__(self, tls: ssl.SSLContext, answer: bytes) -> None:
        self.asked: list[bytes] = []
        self._tls, self._answer = tls, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self.asked.append(connection.recv(1))
            try:
                with self._tls.wrap_socket(connection, server_side=True) as inner:
                    self.asked.append(inner.recv(1000))
                    inner.sendall(self._answer)
            except OSError:
                self.asked.append(b"refused")

    def __enter__(self) -> "Prime":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


KEYS = b"\x82\xabPublicKeys\x91\x83\xa5KeyID"
NO_KEYS = b"\x82\xaaPublicKeys\x90"


@pytest.mark.parametrize(("answer", "ready"), [(KEYS, True), (NO_KEYS, False)])
def test_a_server_without_its_first_key_takes_no_registrations(
    tool: Tool,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    ready: bool,
) -> None:
    rpc = tool("nomad_rpc")
    install(tool("node_tls"), tmp_path, authority.identity("client.global.nomad"))
    with Prime(mutual(tmp_path, authority.identity(LEADER)), answer) as prime:
        monkeypatch.setattr(rpc, "PORT", prime.port)
        assert rpc.takes_registrations("127.0.0.1") is ready
    assert prime.asked == [b"\x04", rpc.REQUEST] and b"Keyring.ListPublic" in rpc.REQUEST


@pytest.mark.parametrize("impostor", ["another's", "a worker's"])
def test_only_a_server_of_our_own_authority_is_believed(
    tool: Tool, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impostor: str
) -> None:
    rpc = tool("nomad_rpc")
    install(tool("node_tls"), tmp_path, authority.identity("client.global.nomad"))
    certificate = (
        Authority().identity(LEADER)
        if impostor == "another's"
        else authority.identity("client.global.nomad")
    )
    with Prime(mutual(tmp_path, certificate), KEYS) as prime:
        monkeypatch.setattr(rpc, "PORT", prime.port)
        assert rpc.takes_registrations("127.0.0.1") is False
    assert prime.asked == [b"\x04", b"refused"]


class Nomad(BaseHTTPRequestHandler):
    """Answers its health and its keys."""

    answers = {"/v1/agent/health": (200, b"{}"), "/.well-known/jwks.json": (200, b'{"keys": []}')}  # noqa: RUF012

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def nomad(scratch: Path, identity: dict[str, str]) -> Iterator[ThreadingHTTPServer]:
    """A Nomad agent's HTTPS, which takes certificates of the authority of ``identity`` only."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nomad)
    server.socket = mutual(scratch, identity).wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield server


def test_an_agent_that_shows_another_s_certificate_does_not_answer(
    tool: Tool, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = tool("tool_hc")
    assert [level for level, _ in check.agent("nomad", check.nomad, "/v1/agent/health")] == [1], (
        "not enrolled"
    )
    install(tool("node_tls"), tmp_path, authority.identity("localhost"))
    with nomad(tmp_path, authority.identity("localhost")) as server:
        monkeypatch.setattr(check, "NOMAD", server.server_address)
        assert [*check.agent("nomad", check.nomad, "/v1/agent/health")][-1] == (0, "nomad answers")
        assert [*check.agent("nomad", check.nomad, "/v1/nothing")][-1] == (1, "nomad answers 404")
    with nomad(tmp_path, Authority().identity("localhost")) as server:
        monkeypatch.setattr(check, "NOMAD", server.server_address)
        assert [level for level, _ in check.agent("nomad", check.nomad, "/v1/agent/health")] == [1]


@pytest.mark.parametrize(("days", "level"), [(21, 0), (19, 1)])
def test_a_certificate_that_was_not_renewed_is_a_warning(
    tool: Tool,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    level: int,
) -> None:
    check, shown = tool("tool_hc"), authority.identity("localhost", lasts=timedelta(days=days))
    install(tool("node_tls"), tmp_path, shown)
    end = x509.load_pem_x509_certificate(shown["certificate"].encode()).not_valid_after_utc
    with nomad(tmp_path, shown) as server:
        monkeypatch.setattr(check, "NOMAD", server.server_address)
        found = [*check.agent("nomad", check.nomad, "/v1/agent/health")]
    assert found == [(level, f"certificate ends {end:%Y-%m-%d}"), (0, "nomad answers")]


def test_plain_http_shows_no_certificate(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    check = tool("tool_hc")
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Nomad)) as server:
        monkeypatch.setattr(check, "CONSUL", server.server_address)
        assert [*check.agent("consul", check.consul, "/v1/agent/health")] == [(0, "consul answers")]


@pytest.fixture
def relay(
    tool: Tool, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The relay's URL, of a node whose Nomad is yet to come."""
    jwks = tool("nomad_jwks")
    install(tool("node_tls"), tmp_path, authority.identity("server.global.nomad"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(jwks, "NOMAD", unused.getsockname())
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), jwks.Relay)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def test_nomad_s_keys_are_told_and_nothing_else(
    tool: Tool, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: str
) -> None:
    with nomad(tmp_path, authority.identity("localhost")) as server:
        monkeypatch.setattr(tool("nomad_jwks"), "NOMAD", server.server_address)
        told = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
        assert (told.status_code, told.json(), told.headers["Content-Type"]) == (
            200,
            {"keys": []},
            "application/json",
        )
        assert (
            requests.head(f"{relay}/.well-known/jwks.json", timeout=10).headers["Content-Length"]
            == "12"
        )
        for path in (
            "/",
            "/v1/agent/health",
            "/.well-known/jwks.json/",
            "/.well-known/jwks.json?x=1",
            "/.well-known/openid-configuration",
        ):
            assert requests.get(f"{relay}{path}", timeout=10).status_code == 404, path
        assert requests.post(f"{relay}/.well-known/jwks.json", timeout=10).status_code == 501


def test_keys_that_cannot_be_had_are_no_keys(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: str
) -> None:
    silent = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
    assert silent.status_code == 502 and "Nomad does not answer" in silent.text
    with nomad(tmp_path, Authority().identity("localhost")) as server:
        monkeypatch.setattr(tool("nomad_jwks"), "NOMAD", server.server_address)
        impostor = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
        assert impostor.status_code == 502 and "CERTIFICATE_VERIFY_FAILED" in impostor.text


def test_nomad_starts_after_a_bound_all_the_same(
    tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tool("before_nomad")
    before.wait("the moon", 0.2, lambda: False)
    assert "the moon still not there" in capsys.readouterr().err
    tries = iter([False, True])
    before.wait("a second try", 5, lambda: next(tries))
    assert capsys.readouterr().err == ""
