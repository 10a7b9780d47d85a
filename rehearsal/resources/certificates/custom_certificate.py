"""Validation of custom certificates: key, leaf certificate and chain."""

import os
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rehearsal.errors import unprocessable

MIN_RSA_BITS = 2048
"""TLS libraries refuse shorter keys."""

MAX_CHAIN_LENGTH = 10
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def check(
    private_key: str, leaf_certificate: str, certificate_chain: str
) -> tuple[x509.Certificate, bytes]:
    """Return the leaf certificate, and the PEM of key and chain for HAProxy.

    Raises:
        ApiError: 422 with the invalid field, and why.
    """
    if not private_key.strip():
        raise unprocessable("private_key is required for a custom certificate.")
    key = _key(private_key)
    leaves = _certificates("leaf_certificate", leaf_certificate)
    if len(leaves) != 1:
        raise unprocessable(
            f"leaf_certificate must hold one certificate, not {len(leaves)}; "
            "its issuers belong into certificate_chain."
        )
    leaf = leaves[0]
    if leaf.public_key() != key.public_key():
        raise unprocessable("private_key does not match leaf_certificate.")
    _check_dates("leaf_certificate", leaf)
    chain = (
        _certificates("certificate_chain", certificate_chain) if certificate_chain.strip() else []
    )
    _check_chain(leaf, chain)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem += b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in (leaf, *chain)
    )
    _check_with_tls(pem)
    return leaf, pem


def dns_names(leaf: x509.Certificate) -> list[str]:
    """Return the DNS names, or the common name of an old certificate without any."""
    try:
        return leaf.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return [
            str(attribute.value)
            for attribute in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
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
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise unprocessable(
            f"private_key is too short: an RSA key must have {MIN_RSA_BITS} bits or more."
        )
    return key


def _certificates(field: str, text: str) -> list[x509.Certificate]:
    if not text.strip():
        raise unprocessable(f"{field} is required for a custom certificate.")
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
        for certificate in certificates:  # names and key are parsed at their first use
            dns_names(certificate)
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise unprocessable(f"{field} is not a certificate in PEM format.") from None
    return certificates


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
    """Check that each certificate issued the previous one, beginning with the leaf."""
    if len(chain) > MAX_CHAIN_LENGTH:
        raise unprocessable(
            f"certificate_chain holds {len(chain)} certificates; {MAX_CHAIN_LENGTH} at most."
        )
    if leaf in chain:
        raise unprocessable("certificate_chain must not hold the leaf certificate itself.")
    for number, (below, issuer) in enumerate(zip([leaf, *chain], chain, strict=False), 1):
        _check_dates("certificate_chain", issuer)
        try:
            below.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            issued = (
                "leaf_certificate"
                if number == 1
                else f"certificate {number - 1} of certificate_chain"
            )
            raise unprocessable(
                f"certificate_chain is out of order: its certificate {number} "
                f"did not issue {issued}."
            ) from None


def _check_with_tls(pem: bytes) -> None:
    """Load the certificate with OpenSSL, which refuses weak ones, such as SHA-1 signatures."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    # In memory, so that a rejected key is never on the disk.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(pem)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as error:
            reason = (error.reason or "it is unusable").replace("_", " ").lower()
            raise unprocessable(f"leaf_certificate cannot be served: {reason}.") from None
