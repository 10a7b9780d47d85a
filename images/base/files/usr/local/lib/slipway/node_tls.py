"""How this node's own tools ask its agents and the primes: with the node's certificate, believing the stack's authority alone."""

import ssl
from pathlib import Path

DIRECTORY = Path("/etc/slipway/tls")


def paths() -> tuple[Path, Path, Path]:
    """Authority, certificate and key."""
    return DIRECTORY / "ca.pem", DIRECTORY / "cert.pem", DIRECTORY / "key.pem"


def context() -> ssl.SSLContext:
    """Read anew each time, for certificates are renewed.

    Raises:
        OSError: the node has none yet, or they are no PEM (``ssl.SSLError``).
    """
    authority, certificate, key = paths()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(authority)
    made.load_cert_chain(certificate, key)
    return made
