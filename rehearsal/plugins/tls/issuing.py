"""Issuing of certificates with the same content as Go's crypto/x509."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State
from rehearsal.plugins.tls import keys
from rehearsal.plugins.tls.key_usages import EXTENDED_KEY_USAGES, KEY_USAGES
from rehearsal.plugins.tls.subject import Subject

SERIAL_BITS = 128


@dataclass(frozen=True)
class Issuer:
    """The issuer of a certificate."""

    name: x509.Name
    key: keys.PrivateKey
    key_id: x509.SubjectKeyIdentifier | None
    """Value of the authority key identifier extension, None to omit the extension."""


def issue_self_signed(
    new: State, subject: Subject, key: keys.PrivateKey, now: datetime
) -> tuple[str, State]:
    """Return id and outputs of a certificate that its own key signs.

    Raises:
        PluginError: the inputs do not make a valid certificate.
    """
    own_id = _key_id(new, subject)
    if new["setAuthorityKeyId"] and own_id is None:
        raise PluginError(
            "Invalid Certificate Authority: Could not determine Authority Key Identifier"
        )
    return _issue(
        new,
        subject,
        Issuer(subject.name, key, own_id if new["setAuthorityKeyId"] else None),
        now,
    )


def issue_signed(
    new: State, subject: Subject, ca_certificate: str, key: keys.PrivateKey, now: datetime
) -> tuple[str, State]:
    """Return id and outputs of a certificate that a CA signs with its ``key``.

    Raises:
        PluginError: the key does not belong to the CA certificate (PEM), or the inputs do not
            make a valid certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(ca_certificate.encode())
        public_key = certificate.public_key()
        key_ids = [
            item.value
            for item in certificate.extensions
            if isinstance(item.value, x509.SubjectKeyIdentifier)
        ]
    except ValueError as error:
        raise PluginError(f"Failed to parse CA certificate PEM: {error}") from error
    if not isinstance(public_key, keys.PublicKey) or not keys.is_same_key(
        public_key, key.public_key()
    ):
        raise PluginError(
            "Failed to create certificate: provided PrivateKey doesn't match parent's PublicKey"
        )
    key_id = key_ids[0] if key_ids and certificate.subject != subject.name else None
    return _issue(new, subject, Issuer(certificate.subject, key, key_id), now)


def _issue(new: State, subject: Subject, issuer: Issuer, now: datetime) -> tuple[str, State]:
    if new["isCaCertificate"] and not subject.name.rdns:
        raise PluginError(
            "Must contain at least one Distinguished Name when creating Certificate Authority (CA)"
        )
    hours, early = new["validityPeriodHours"], new["earlyRenewalHours"]
    serial = 1 + secrets.randbelow((1 << SERIAL_BITS) - 1)
    try:
        end = now + timedelta(hours=hours)
        builder = x509.CertificateBuilder(
            issuer.name, subject.name, subject.public_key, serial, now, end
        )
        for extension, critical in _extensions(new, subject, issuer):
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(issuer.key, keys.signature_hash(issuer.key))
    except (ValueError, OverflowError) as error:
        raise PluginError(f"Failed to create certificate: {error}") from error
    return str(serial), {
        "certPem": certificate.public_bytes(Encoding.PEM).decode(),
        "validityStartTime": _format_time(now),
        "validityEndTime": _format_time(end),
        "readyForRenewal": early >= hours,
    }


def _extensions(
    new: State, subject: Subject, issuer: Issuer
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Yield the extensions, each with whether it is critical."""
    uses = set(new["allowedUses"])
    if uses & set(KEY_USAGES):
        yield x509.KeyUsage(**{bit: use in uses for use, bit in KEY_USAGES.items()}), True
    if extended := [
        EXTENDED_KEY_USAGES[use] for use in new["allowedUses"] if use in EXTENDED_KEY_USAGES
    ]:
        yield x509.ExtendedKeyUsage([x509.ObjectIdentifier(use) for use in extended]), False
    is_ca, max_path_length = new["isCaCertificate"], new["maxPathLength"]
    if max_path_length > 0 and not is_ca:
        raise PluginError(
            "Failed to create certificate: only CAs are allowed to specify MaxPathLen"
        )
    # Go treats a maximum path length of 0 like one that is not set.
    yield x509.BasicConstraints(is_ca, max_path_length if max_path_length > 0 else None), True
    if own_id := _key_id(new, subject):
        yield own_id, False
    if issuer.key_id:
        yield x509.AuthorityKeyIdentifier(issuer.key_id.digest, None, None), False
    if subject.alternative_names:
        yield x509.SubjectAlternativeName(subject.alternative_names), not subject.name.rdns


def _key_id(new: State, subject: Subject) -> x509.SubjectKeyIdentifier | None:
    if not (new["isCaCertificate"] or new["setSubjectKeyId"]):
        return None
    if isinstance(subject.public_key, ed25519.Ed25519PublicKey):
        # Like the official plugin, hash the key with its ASN.1 header.
        return x509.SubjectKeyIdentifier(
            hashlib.sha1(b"\x04\x20" + subject.public_key.public_bytes_raw()).digest()
        )
    return x509.SubjectKeyIdentifier.from_public_key(subject.public_key)


def _format_time(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
