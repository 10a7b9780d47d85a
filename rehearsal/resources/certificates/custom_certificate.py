"""Uploaded certificates: whether a key, a leaf and a chain are what a load balancer can serve."""

import os
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rehearsal.errors import unprocessable

LEAST_RSA = 2048
"""Bits; TLS libraries take no shorter key."""

LONGEST_CHAIN = 10
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def check(
    private_key: str, leaf_certificate: str, certificate_chain: str
) -> tuple[x509.Certificate, bytes]:
    """The leaf, and the PEM of key and chain as they are to be served.

    Raises:
        ApiError: 422 telling which part is wrong, and why.
    """
    if not private_key.strip():
        raise unprocessable("private_key is required for a custom certificate.")
    key = _key(private_key)
    leaves = _certificates("leaf_certificate", leaf_certificate)
    if len(leaves) != 1:
        raise unprocessable(
            f"leaf_certificate must hold one certificate, not {len(leaves)}; its issuers belong into certificate_chain."
        )
    leaf = leaves[0]
    if leaf.public_key() != key.public_key():
        raise unprocessable("private_key does not match leaf_certificate.")
    _check_dates("leaf_certificate", leaf)
    chain = (
        _certificates("certificate_chain", certificate_chain) if certificate_chain.strip() else []
    )
    _check_chain(leaf, chain)
    served = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    served += b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, *chain))
    _check_served(served)
    return leaf, served


def names(leaf: x509.Certificate) -> list[str]:
    """The DNS names that it is for; of an old one without any, its common name."""
    try:
        return leaf.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return [
            str(one.value) for one in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        ]


def _key(text: str) -> Key:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise unprocessable("private_key is encrypted; give it without a passphrase.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise unprocessable("private_key is not a private key in PEM format.") from None
    if not isinstance(key, Key):
        raise unprocessable("private_key must be an RSA or ECDSA key.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA:
        raise unprocessable(
            f"private_key is too short: an RSA key must have {LEAST_RSA} bits or more."
        )
    return key


def _certificates(field: str, text: str) -> list[x509.Certificate]:
    if not text.strip():
        raise unprocessable(f"{field} is required for a custom certificate.")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for one in found:  # each part is parsed when it is asked for
            names(one)
            one.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise unprocessable(f"{field} is not a certificate in PEM format.") from None
    return found


def _check_dates(field: str, certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc <= now:
        raise unprocessable(
            f"{field} expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}."
        )
    if certificate.not_valid_before_utc > now:
        raise unprocessable(
            f"{field} is not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}."
        )


def _check_chain(leaf: x509.Certificate, chain: list[x509.Certificate]) -> None:
    """From the leaf's issuer upwards, each the issuer of the one before."""
    if len(chain) > LONGEST_CHAIN:
        raise unprocessable(
            f"certificate_chain holds {len(chain)} certificates; {LONGEST_CHAIN} at most."
        )
    if leaf in chain:
        raise unprocessable("certificate_chain must not hold the leaf certificate itself.")
    for number, (below, issuer) in enumerate(zip([leaf, *chain], chain, strict=False), 1):
        _check_dates("certificate_chain", issuer)
        try:
            below.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            what = (
                "leaf_certificate"
                if number == 1
                else f"certificate {number - 1} of certificate_chain"
            )
            raise unprocessable(
                f"certificate_chain is out of order: its certificate {number} did not issue {what}."
            ) from None


def _check_served(served: bytes) -> None:
    """What TLS itself finds too weak, such as a SHA-1 signature: a balancer would not start with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    with os.fdopen(
        os.memfd_create("certificate"), "wb"
    ) as file:  # the key is on no disk before it is accepted
        file.write(served)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as error:
            reason = (error.reason or "it is unusable").replace("_", " ").lower()
            raise unprocessable(f"leaf_certificate cannot be served: {reason}.") from None
