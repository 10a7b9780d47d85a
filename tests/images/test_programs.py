"""The resolver, the health check, and what runs before and beside Nomad on a node."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
import requests
from cryptography import x509

from tests.images.support.credentials import Authority
from tests.images.support.programs import LoadModule
from tests.images.support.servers import (
    SERVER_NAME,
    NomadHandler,
    RpcServer,
    create_mutual_tls_context,
    install_identity,
    nomad_agent,
    serve_in_thread,
)


def test_resolv_conf_lists_consul_and_the_resolvers_of_the_first_boot(
    load: LoadModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = load("resolver")
    managed = tmp_path / "managed.conf"
    managed.write_text(
        "search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n"
        "nameserver 2001:db8::1%eth0\nnameserver 192.0.2.3\n"
    )
    conf = tmp_path / "resolv.conf"
    conf.symlink_to(managed)
    for name, path in (
        ("RESOLV_CONF", conf),
        ("SAVED_RESOLVERS", tmp_path / "saved"),
        ("SYSTEMD_RESOLV_CONF", tmp_path / "none"),
    ):
        monkeypatch.setattr(resolver, name, path)
    upstream = resolver.original_resolvers()
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
    assert resolver.original_resolvers() == upstream, "resolv.conf no longer lists them all"
    before = conf.stat().st_ino
    resolver.use_consul(upstream)
    assert conf.stat().st_ino == before


def test_the_health_check_exits_with_the_worst_status(
    load: LoadModule,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    health_check = load("tool_hc")
    monkeypatch.setattr(health_check, "SHUTDOWN_MARKER", tmp_path / "shutdown")
    assert health_check.check_memory("MemTotal: 1000 kB\nMemAvailable: 500 kB\n") == (
        0,
        "memory 50% free",
    )
    assert health_check.check_memory("MemTotal: 1000 kB\nMemAvailable: 70 kB\n")[0] == 1
    assert health_check.check_memory("MemTotal: 1000 kB\nMemAvailable: 20 kB\n")[0] == 2
    monkeypatch.setattr(
        health_check,
        "run_checks",
        lambda: iter([(0, "disk / 50% free"), (2, "memory 1% free"), (1, "nomad does not answer")]),
    )
    assert health_check.main() == 2
    assert capsys.readouterr().out == "memory 1% free; nomad does not answer; disk / 50% free\n"
    (tmp_path / "shutdown").touch()
    assert health_check.main() == 0


KEYS = b"\x82\xabPublicKeys\x91\x83\xa5KeyID"
NO_KEYS = b"\x82\xaaPublicKeys\x90"


@pytest.mark.parametrize(("response", "is_ready"), [(KEYS, True), (NO_KEYS, False)])
def test_a_server_without_a_signing_key_accepts_no_registrations(
    load: LoadModule,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    response: bytes,
    is_ready: bool,
) -> None:
    rpc = load("nomad_rpc")
    install_identity(load("node_tls"), tmp_path, authority.identity("client.global.nomad"))
    with RpcServer(
        create_mutual_tls_context(tmp_path, authority.identity(SERVER_NAME)), response
    ) as server:
        monkeypatch.setattr(rpc, "PORT", server.port)
        assert rpc.accepts_registrations("127.0.0.1") is is_ready
    assert server.requests == [b"\x04", rpc.REQUEST] and b"Keyring.ListPublic" in rpc.REQUEST


@pytest.mark.parametrize("impostor", ["another authority's", "a worker's"])
def test_only_a_server_of_the_stack_s_authority_is_accepted(
    load: LoadModule,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    impostor: str,
) -> None:
    rpc = load("nomad_rpc")
    install_identity(load("node_tls"), tmp_path, authority.identity("client.global.nomad"))
    certificate = (
        Authority().identity(SERVER_NAME)
        if impostor == "another authority's"
        else authority.identity("client.global.nomad")
    )
    with RpcServer(create_mutual_tls_context(tmp_path, certificate), KEYS) as server:
        monkeypatch.setattr(rpc, "PORT", server.port)
        assert rpc.accepts_registrations("127.0.0.1") is False
    assert server.requests == [b"\x04", b"refused"]


def check_nomad(health_check: ModuleType, path: str = "/v1/agent/health") -> list[tuple[int, str]]:
    """Return the findings of the Nomad check."""
    return [*health_check.check_agent("nomad", health_check.connect_to_nomad, path)]


def test_an_agent_with_a_certificate_of_another_authority_fails_the_check(
    load: LoadModule, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health_check = load("tool_hc")
    assert [status for status, _ in check_nomad(health_check)] == [1], "not enrolled"
    install_identity(load("node_tls"), tmp_path, authority.identity("localhost"))
    with nomad_agent(tmp_path, authority.identity("localhost")) as server:
        monkeypatch.setattr(health_check, "NOMAD", server.server_address)
        assert check_nomad(health_check)[-1] == (0, "nomad answers")
        assert check_nomad(health_check, "/v1/nothing")[-1] == (1, "nomad answers 404")
    with nomad_agent(tmp_path, Authority().identity("localhost")) as server:
        monkeypatch.setattr(health_check, "NOMAD", server.server_address)
        assert [status for status, _ in check_nomad(health_check)] == [1]


@pytest.mark.parametrize(("days", "status"), [(21, 0), (19, 1)])
def test_a_certificate_that_ends_soon_is_a_warning(
    load: LoadModule,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    status: int,
) -> None:
    health_check = load("tool_hc")
    identity = authority.identity("localhost", lifetime=timedelta(days=days))
    install_identity(load("node_tls"), tmp_path, identity)
    end = x509.load_pem_x509_certificate(identity["certificate"].encode()).not_valid_after_utc
    with nomad_agent(tmp_path, identity) as server:
        monkeypatch.setattr(health_check, "NOMAD", server.server_address)
        findings = check_nomad(health_check)
    assert findings == [(status, f"certificate ends {end:%Y-%m-%d}"), (0, "nomad answers")]


def test_plain_http_has_no_certificate_to_check(
    load: LoadModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    health_check = load("tool_hc")
    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), NomadHandler)) as server:
        monkeypatch.setattr(health_check, "CONSUL", server.server_address)
        assert [
            *health_check.check_agent("consul", health_check.connect_to_consul, "/v1/agent/health")
        ] == [(0, "consul answers")]


@pytest.fixture
def relay(
    load: LoadModule, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of nomad_jwks on a node whose Nomad does not run yet."""
    jwks = load("nomad_jwks")
    install_identity(load("node_tls"), tmp_path, authority.identity("server.global.nomad"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(jwks, "NOMAD", unused.getsockname())
    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), jwks.JwksHandler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def test_nomad_s_keys_are_served_and_nothing_else(
    load: LoadModule,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    relay: str,
) -> None:
    with nomad_agent(tmp_path, authority.identity("localhost")) as server:
        monkeypatch.setattr(load("nomad_jwks"), "NOMAD", server.server_address)
        response = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
        assert (response.status_code, response.json(), response.headers["Content-Type"]) == (
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


def test_a_failure_to_fetch_nomad_s_keys_is_a_bad_gateway(
    load: LoadModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: str
) -> None:
    unreachable = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
    assert unreachable.status_code == 502 and "Nomad does not answer" in unreachable.text
    with nomad_agent(tmp_path, Authority().identity("localhost")) as server:
        monkeypatch.setattr(load("nomad_jwks"), "NOMAD", server.server_address)
        impostor = requests.get(f"{relay}/.well-known/jwks.json", timeout=10)
        assert impostor.status_code == 502 and "CERTIFICATE_VERIFY_FAILED" in impostor.text


def test_nomad_starts_after_a_timeout_anyway(
    load: LoadModule, capsys: pytest.CaptureFixture[str]
) -> None:
    nomad_prestart = load("nomad_prestart")
    nomad_prestart.wait_until(lambda: False, "Consul agent", 0.2)
    assert "Consul agent not ready after 0 s" in capsys.readouterr().err
    results = iter([False, True])
    nomad_prestart.wait_until(lambda: next(results), "Consul agent", 5)
    assert capsys.readouterr().err == ""
