"""The TLS client of this node's programs: the node's certificate, and the stack's authority."""

import ssl
from pathlib import Path

DIRECTORY = Path("/etc/slipway/tls")


def certificate_paths() -> tuple[Path, Path, Path]:
    """Return the paths of authority, certificate and key."""
    return DIRECTORY / "ca.pem", DIRECTORY / "cert.pem", DIRECTORY / "key.pem"


def create_context() -> ssl.SSLContext:
    """Return a context with the current certificate, which may have been renewed.

    Raises:
        OSError: the node has no certificate, or it is not PEM (``ssl.SSLError``).
    """
    authority, certificate, key = certificate_paths()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    return context
