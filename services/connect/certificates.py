"""What the agent hands out, who a peer is by its certificate, and TLS contexts of both."""

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.serving.log import log

Certificate = Mapping[str, Any]
"""A peer's certificate as ``ssl.SSLObject.getpeercert`` tells it."""


@dataclass(frozen=True)
class Leaf:
    """A service's certificate."""

    certificate: str
    """PEM, with the intermediates that lead to a root."""
    key: str = field(repr=False)
    expires: datetime

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Leaf":
        """From ``/v1/agent/connect/ca/leaf``."""
        return cls(
            answer["CertPEM"],
            answer["PrivateKeyPEM"],
            datetime.fromisoformat(answer["ValidBefore"]),
        )

    def expired(self) -> bool:
        return datetime.now(UTC) >= self.expires


@dataclass(frozen=True)
class Roots:
    """Whom the mesh trusts: while its roots rotate, the old ones too."""

    trust_domain: str
    certificates: tuple[str, ...]
    """PEM."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Roots":
        """From ``/v1/agent/connect/ca/roots``."""
        return cls(answer["TrustDomain"], tuple(root["RootCert"] for root in answer["Roots"]))


def identity(certificate: Certificate) -> str:
    """The URI by which a certificate names its service; empty unless there is exactly one."""
    uris = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "URI"]
    return str(uris[0]) if len(uris) == 1 else ""


def serial(certificate: Certificate) -> str:
    """The serial number as Consul writes it: ``0b:8c:bc``."""
    return ":".join(re.findall("..", certificate["serialNumber"].lower()))


def context(purpose: int, leaf: Leaf, roots: Roots, service: str | None = None) -> ssl.SSLContext:
    """A context for ``ssl.PROTOCOL_TLS_SERVER`` or ``ssl.PROTOCOL_TLS_CLIENT`` that speaks with members of the mesh only.

    The handshake fails unless the peer's certificate is signed under one of ``roots`` and names ``service``, any one by
    default, of the trust domain and the default namespace.

    Raises:
        ssl.SSLError: the certificates cannot be used.
    """
    result = ssl.SSLContext(purpose)
    # Not below 1.3, and without tickets: every connection shows its certificate, none resumes what an older one proved.
    result.minimum_version = ssl.TLSVersion.TLSv1_3
    if purpose == ssl.PROTOCOL_TLS_SERVER:
        result.num_tickets = 0
    result.check_hostname = (
        False  # a member of the mesh has no host name: its URI is checked instead
    )
    result.verify_mode = ssl.CERT_REQUIRED
    result.load_verify_locations(cadata="\n".join(roots.certificates))
    with _file(f"{leaf.certificate}\n{leaf.key}") as path:
        result.load_cert_chain(path)
    name = re.escape(service) if service else "[^/]+"
    wanted = re.compile(f"spiffe://{re.escape(roots.trust_domain)}/ns/default/dc/[^/]+/svc/{name}")
    result.sslobject_class = _checking(
        lambda certificate: wanted.fullmatch(identity(certificate)) is not None
    )
    return result


class Latest(ssl.SSLContext):
    """Stands for a context that is replaced now and then: a new connection takes the latest; before there is one, none succeeds."""

    latest: ssl.SSLContext | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        wrap = super().wrap_bio if self.latest is None else self.latest.wrap_bio
        return wrap(incoming, outgoing, server_side, server_hostname, session)


def _checking(accepts: Callable[[Certificate], bool]) -> type[ssl.SSLObject]:
    """TLS that is not established before the peer's certificate is accepted, so that nothing is sent or read before."""

    class Checking(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
                certificate = self.getpeercert() or {}
                if not accepts(certificate):
                    raise ssl.SSLCertVerificationError(
                        ssl.SSL_ERROR_SSL,
                        f"the peer is {identity(certificate) or 'nobody of the mesh'}",
                    )
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                if self.server_side:  # a client's caller gets the error, and knows whom it asked
                    log("warning", "handshake failed", error=str(error))
                raise

        def unwrap(self) -> None:
            # HTTP tells where an answer ends, so nobody has to confirm the end of TLS; idle peers would for half a minute not.
            try:
                super().unwrap()
            except ssl.SSLWantReadError:
                return

    return Checking


@contextmanager
def _file(content: str) -> Iterator[str]:
    """A path to ``content``, which is in memory only: OpenSSL by way of ``ssl`` reads a key from a file."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
