"""Connect certificates from the agent, and TLS contexts that accept members of the mesh only."""

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.serving.log import log

PeerCertificate = Mapping[str, Any]
"""A peer's certificate as ``ssl.SSLObject.getpeercert`` returns it."""


@dataclass(frozen=True)
class Leaf:
    """The certificate of a service."""

    certificate: str
    """PEM, with the intermediate certificates."""
    key: str = field(repr=False)
    expires: datetime

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Leaf":
        """Return the certificate in a reply of ``/v1/agent/connect/ca/leaf``."""
        return cls(
            body["CertPEM"],
            body["PrivateKeyPEM"],
            datetime.fromisoformat(body["ValidBefore"]),
        )

    def is_expired(self) -> bool:
        return datetime.now(UTC) >= self.expires


@dataclass(frozen=True)
class Roots:
    """The mesh's root certificates. During a rotation they include the old ones."""

    trust_domain: str
    certificates: tuple[str, ...]
    """PEM."""

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Roots":
        """Return the roots in a reply of ``/v1/agent/connect/ca/roots``."""
        return cls(body["TrustDomain"], tuple(root["RootCert"] for root in body["Roots"]))


def spiffe_id(certificate: PeerCertificate) -> str:
    """Return the URI that names the certificate's service; empty unless there is exactly one."""
    uris = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "URI"]
    return str(uris[0]) if len(uris) == 1 else ""


def service_name(uri: str) -> str:
    """Return the service in a SPIFFE id: ``frontserve``; empty if there is none."""
    return uri.rpartition("/svc/")[2] if "/svc/" in uri else ""


def serial_number(certificate: PeerCertificate) -> str:
    """Return the serial number as Consul writes it: ``0b:8c:bc``."""
    return ":".join(re.findall("..", certificate["serialNumber"].lower()))


def tls_context(
    protocol: int, leaf: Leaf, roots: Roots, service: str | None = None
) -> ssl.SSLContext:
    """Return a context for ``ssl.PROTOCOL_TLS_SERVER`` or ``ssl.PROTOCOL_TLS_CLIENT``.

    Its handshake fails unless a root of ``roots`` signed the peer's certificate, and the
    certificate names a service of the trust domain and the default namespace: ``service``, or any
    service if that is None.

    Raises:
        ssl.SSLError: the certificates cannot be used.
    """
    context = ssl.SSLContext(protocol)
    # TLS 1.3 without session tickets: every connection verifies the peer's current certificate.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    # Mesh certificates have no host name; the handshake checks the URI instead.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata="\n".join(roots.certificates))
    with _memory_file(f"{leaf.certificate}\n{leaf.key}") as path:
        context.load_cert_chain(path)
    name = re.escape(service) if service else "[^/]+"
    accepted = re.compile(
        f"spiffe://{re.escape(roots.trust_domain)}/ns/default/dc/[^/]+/svc/{name}"
    )
    context.sslobject_class = _verifying_ssl_object(
        lambda certificate: accepted.fullmatch(spiffe_id(certificate)) is not None
    )
    return context


class ReplaceableContext(ssl.SSLContext):
    """A context that delegates each new connection to ``current``.

    Without a ``current`` context every handshake fails.
    """

    current: ssl.SSLContext | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        wrap = super().wrap_bio if self.current is None else self.current.wrap_bio
        return wrap(incoming, outgoing, server_side, server_hostname, session)


def _verifying_ssl_object(accepts: Callable[[PeerCertificate], bool]) -> type[ssl.SSLObject]:
    """Return a TLS class whose handshake fails unless ``accepts`` accepts the peer's certificate.

    So no application data is sent or read before.
    """

    class VerifyingSSLObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
                certificate = self.getpeercert() or {}
                if not accepts(certificate):
                    peer = spiffe_id(certificate) or "not a member of the mesh"
                    raise ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"the peer is {peer}")
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                # A client's caller receives the error and knows the address.
                if self.server_side:
                    log("warning", "handshake failed", error=str(error))
                raise

        def unwrap(self) -> None:
            # Do not wait for the peer's close_notify: HTTP already delimits a reply, and an idle
            # peer sends it only after half a minute.
            try:
                super().unwrap()
            except ssl.SSLWantReadError:
                return

    return VerifyingSSLObject


@contextmanager
def _memory_file(content: str) -> Iterator[str]:
    """Yield a path to ``content`` in memory: ``ssl`` reads a key from a file only."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
