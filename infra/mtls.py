"""Mutual TLS towards the cluster: who asks shows a certificate, and only the stack's own authority is believed.

Pure: no Pulumi in here, so that whatever speaks to the agents may use it.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import requests
from requests.adapters import HTTPAdapter


class Credentials(TypedDict):
    """A certificate with its key, and the authority that signed it and those of the other side; all PEM."""

    authority: str
    certificate: str
    key: str


class Access(TypedDict):
    """All that it takes to use a cluster's API."""

    consul: str
    """URL of a Consul server: ``https://ADDRESS:8501``."""
    nomad: str
    """URL of a Nomad server: ``https://ADDRESS:4646``."""
    authority: str
    certificate: str
    key: str
    consul_token: str
    nomad_token: str


def context(credentials: Credentials | Access) -> ssl.SSLContext:
    """TLS that shows the certificate, and takes nobody whom the authority did not sign under the name that was dialled.

    Raises:
        ssl.SSLError: something is no PEM, or certificate and key do not belong together.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=credentials["authority"])
    with _file(f"{credentials['certificate'].rstrip()}\n{credentials['key']}") as both:
        made.load_cert_chain(both)
    return made


def session(
    credentials: Credentials | Access, headers: Mapping[str, str] | None = None
) -> requests.Session:
    """HTTPS by ``context``. Proxies, netrc and other authorities of the environment are not looked at."""
    made = requests.Session()
    made.trust_env = False
    made.headers.update(headers or {})
    made.mount("https://", _Mutual(context(credentials)))
    return made


class _Mutual(HTTPAdapter):
    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: here ``requests`` would add the world's authorities to ours. The context requires a certificate."""


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    """A path with ``text`` for OpenSSL, which reads a key from nowhere else: in memory, or else the owner's and gone at once."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("credentials"), "w") as memory:
            memory.write(text)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as own:
        path = Path(own, "credentials")
        path.touch(mode=0o600)
        path.write_text(text)
        yield str(path)
