"""Mutual TLS: who is believed, what is shown, and that no key is left in a file."""

import os
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from infra import mtls
from infra.mtls import Access
from tests.deploy.support.certificates import CertificateAuthority
from tests.infra.support.agents_api import Agents, serving


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    with serving(Agents(), tmp_path) as found:
        yield found


@pytest.fixture
def stranger() -> CertificateAuthority:
    return CertificateAuthority("stranger")


def ask(access: Access, url: str | None = None) -> int:
    with mtls.session(access) as session:
        return session.get(f"{url or access['consul'][0]}/v1/status/leader", timeout=5).status_code


def test_both_sides_show_a_certificate(access: Access) -> None:
    assert ask(access) == 200


def test_a_server_of_another_authority_is_refused(
    access: Access, stranger: CertificateAuthority
) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        ask({**access, "authority": stranger.pem})


def test_a_server_under_another_name_is_refused(access: Access) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="Hostname mismatch"):
        ask(access, access["consul"][0].replace("127.0.0.1", "localhost"))


def test_a_client_of_another_authority_is_refused(
    access: Access, stranger: CertificateAuthority
) -> None:
    with pytest.raises(requests.RequestException):
        ask({**access, **stranger.credentials(), "authority": access["authority"]})


def test_only_one_authority_is_ever_known(access: Access) -> None:
    with mtls.session(access) as session:
        session.get(f"{access['consul'][0]}/v1/status/leader", timeout=5)
        adapter = session.get_adapter("https://")
        pools = adapter.poolmanager.connection_pool_kw  # type: ignore[attr-defined]
        assert len(pools["ssl_context"].get_ca_certs()) == 1


def test_environment_is_ignored(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert ask(access) == 200


def test_headers_go_with_every_request(access: Access) -> None:
    assert mtls.session(access, {"X-Consul-Token": "t"}).headers["X-Consul-Token"] == "t"


def test_a_key_of_another_certificate_is_refused(
    access: Access, stranger: CertificateAuthority
) -> None:
    with pytest.raises(ssl.SSLError):
        mtls.context({**access, "key": stranger.credentials()["key"]})


def test_no_key_is_left_where_there_are_no_files_in_memory(
    access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, path: str) -> None:
        seen.append(Path(path).stat().st_mode & 0o777)
        load(self, path)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert mtls.context(access).cert_store_stats()["x509_ca"] == 1
    assert seen == [0o600]
    assert list(scratch.iterdir()) == []


def test_server_urls_name_every_server() -> None:
    assert mtls.server_urls(["198.18.0.1", "198.18.0.2"]) == {
        "consul": ["https://198.18.0.1:8501", "https://198.18.0.2:8501"],
        "nomad": ["https://198.18.0.1:4646", "https://198.18.0.2:4646"],
    }


def test_first_server_that_accepts_connections_is_found(access: Access) -> None:
    [url] = access["consul"]
    assert mtls.find_answering_server(["https://127.0.0.1:9", url]) == url
    assert mtls.find_answering_server([url, "https://127.0.0.1:9"]) == url


def test_without_an_answering_server_the_first_is_found_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A preview works while the cluster is away."""
    monkeypatch.setattr(mtls, "PROBE_TIMEOUT_S", 0.1)
    with socket.socket() as full:
        # A connection waits when the queue of a server that accepts none is full.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            urls = [f"https://127.0.0.1:{address[1]}", "https://127.0.0.1:9"]
            start = time.monotonic()
            assert mtls.find_answering_server(urls) == urls[0]
            assert time.monotonic() - start < 1
    assert mtls.find_answering_server(["https://127.0.0.1:9"]) == "https://127.0.0.1:9"
    assert mtls.find_answering_server([]) == ""
