"""Mutual TLS to the cluster: sessions with a client certificate that trust only the stack's CA."""

import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

CONSUL_HTTPS_PORT = 8501
NOMAD_HTTPS_PORT = 4646
PROBE_TIMEOUT_S = 1.0


class Credentials(TypedDict):
    """A certificate, its key, and the CA that signed all certificates of the stack; PEM."""

    authority: str
    certificate: str
    key: str


class ServerUrls(TypedDict):
    """The servers of a cluster. Any of them may be unreachable."""

    consul: list[str]
    """``https://ADDRESS:8501`` of each server."""
    nomad: list[str]
    """``https://ADDRESS:4646`` of each server."""


class Access(ServerUrls):
    """Addresses, certificate and tokens for the APIs of a cluster."""

    authority: str
    certificate: str
    key: str
    consul_token: str
    nomad_token: str


def server_urls(addresses: Sequence[str]) -> ServerUrls:
    """Return the URLs of Consul and Nomad on servers with these public addresses."""
    return {
        "consul": [f"https://{address}:{CONSUL_HTTPS_PORT}" for address in addresses],
        "nomad": [f"https://{address}:{NOMAD_HTTPS_PORT}" for address in addresses],
    }


def access_for(
    addresses: Sequence[str], credentials: Credentials, consul_token: str, nomad_token: str
) -> Access:
    """Return the access to servers with these public addresses."""
    urls = server_urls(addresses)
    return Access(
        consul=urls["consul"],
        nomad=urls["nomad"],
        authority=credentials["authority"],
        certificate=credentials["certificate"],
        key=credentials["key"],
        consul_token=consul_token,
        nomad_token=nomad_token,
    )


def is_listening(address: str, port: int, timeout_s: float) -> bool | None:
    """Whether a port accepts connections; None if the machine does not answer.

    A machine that refuses the connection answers.
    """
    try:
        with socket.create_connection((address, port), timeout=timeout_s):
            return True
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    except OSError:
        return None


def find_answering_server(urls: Sequence[str]) -> str:
    """Return the first URL whose server accepts connections, or the first URL if none does.

    A preview needs no server. An update without one fails at its first request.
    """
    return next(filter(accepts_connections, urls), urls[0] if urls else "")


def accepts_connections(url: str) -> bool:
    """Whether the server of a URL accepts connections."""
    parts = urlsplit(url)
    return bool(is_listening(str(parts.hostname), int(parts.port or 443), PROBE_TIMEOUT_S))


def context(credentials: Credentials | Access) -> ssl.SSLContext:
    """Return a TLS context with the certificate.

    It accepts only servers whose certificate is signed by the stack's CA for the dialled name.

    Raises:
        ssl.SSLError: a part is not PEM, or the key does not match the certificate.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(cadata=credentials["authority"])
    with _file(f"{credentials['certificate'].rstrip()}\n{credentials['key']}") as path:
        tls.load_cert_chain(path)
    return tls


def session(
    credentials: Credentials | Access, headers: Mapping[str, str] | None = None
) -> requests.Session:
    """Return a session with ``context``. It ignores proxies, netrc and CAs of the environment."""
    result = requests.Session()
    result.trust_env = False
    result.headers.update(headers or {})
    result.mount("https://", _MutualTlsAdapter(context(credentials)))
    return result


class _MutualTlsAdapter(HTTPAdapter):
    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing. The base class would add the public CAs to the context.

        The context itself verifies the server.
        """


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    """Yield the path of a file with ``text``, because OpenSSL reads keys only from files.

    The file is in memory, or else readable only by its owner and deleted on exit.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("credentials"), "w") as memory:
            memory.write(text)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "credentials")
        path.touch(mode=0o600)
        path.write_text(text)
        yield str(path)
