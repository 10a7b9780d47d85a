"""Certificates, issued as Go does for the official plugin."""

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
from rehearsal.plugins.tls.subject import Holder
from rehearsal.plugins.tls.key_usages import EXTENDED_KEY_USAGES, KEY_USAGES

SERIAL_BITS = 128


@dataclass(frozen=True)
class Issuer:
    """Who signs."""

    name: x509.Name
    key: keys.PrivateKey
    key_id: x509.SubjectKeyIdentifier | None
    """What the certificate names as its authority's key, when it does."""


def self_signed(
    new: State, holder: Holder, key: keys.PrivateKey, now: datetime
) -> tuple[str, State]:
    """The id and the outputs of a certificate that its own key signs.

    Raises:
        PluginError: there can be no such certificate.
    """
    own_id = _key_id(new, holder)
    if new["setAuthorityKeyId"] and own_id is None:
        raise PluginError(
            "Invalid Certificate Authority: Could not determine Authority Key Identifier"
        )
    return _issue(
        new, holder, Issuer(holder.subject, key, own_id if new["setAuthorityKeyId"] else None), now
    )


def signed(
    new: State, holder: Holder, authority: str, key: keys.PrivateKey, now: datetime
) -> tuple[str, State]:
    """The id and the outputs of a certificate that ``authority``, a certificate in PEM, issues with its ``key``.

    Raises:
        PluginError: the two do not belong together, or there can be no such certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(authority.encode())
        public_key = certificate.public_key()
        key_ids = [
            item.value
            for item in certificate.extensions
            if isinstance(item.value, x509.SubjectKeyIdentifier)
        ]
    except ValueError as error:
        raise PluginError(f"Failed to parse CA certificate PEM: {error}") from error
    if not isinstance(public_key, keys.PublicKey) or not keys.same(public_key, key.public_key()):
        raise PluginError(
            "Failed to create certificate: provided PrivateKey doesn't match parent's PublicKey"
        )
    told = key_ids[0] if key_ids and certificate.subject != holder.subject else None
    return _issue(new, holder, Issuer(certificate.subject, key, told), now)


def _issue(new: State, holder: Holder, issuer: Issuer, now: datetime) -> tuple[str, State]:
    if new["isCaCertificate"] and not holder.subject.rdns:
        raise PluginError(
            "Must contain at least one Distinguished Name when creating Certificate Authority (CA)"
        )
    hours, early = new["validityPeriodHours"], new["earlyRenewalHours"]
    serial = 1 + secrets.randbelow((1 << SERIAL_BITS) - 1)
    try:
        end = now + timedelta(hours=hours)
        builder = x509.CertificateBuilder(
            issuer.name, holder.subject, holder.public_key, serial, now, end
        )
        for extension, critical in _extensions(new, holder, issuer):
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(issuer.key, keys.digest(issuer.key))
    except (ValueError, OverflowError) as error:
        raise PluginError(f"Failed to create certificate: {error}") from error
    return str(serial), {
        "certPem": certificate.public_bytes(Encoding.PEM).decode(),
        "validityStartTime": _written(now),
        "validityEndTime": _written(end),
        "readyForRenewal": early >= hours,
    }


def _extensions(
    new: State, holder: Holder, issuer: Issuer
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Each with whether it is critical."""
    uses = set(new["allowedUses"])
    if uses & set(KEY_USAGES):
        yield x509.KeyUsage(**{bit: use in uses for use, bit in KEY_USAGES.items()}), True
    if extended := [
        EXTENDED_KEY_USAGES[use] for use in new["allowedUses"] if use in EXTENDED_KEY_USAGES
    ]:
        yield x509.ExtendedKeyUsage([x509.ObjectIdentifier(use) for use in extended]), False
    is_ca, longest = new["isCaCertificate"], new["maxPathLength"]
    if longest > 0 and not is_ca:
        raise PluginError(
            "Failed to create certificate: only CAs are allowed to specify MaxPathLen"
        )
    # Go takes a longest path of 0 for one that was never set.
    yield x509.BasicConstraints(is_ca, longest if longest > 0 else None), True
    if own_id := _key_id(new, holder):
        yield own_id, False
    if issuer.key_id:
        yield x509.AuthorityKeyIdentifier(issuer.key_id.digest, None, None), False
    if holder.names:
        yield x509.SubjectAlternativeName(holder.names), not holder.subject.rdns


def _key_id(new: State, holder: Holder) -> x509.SubjectKeyIdentifier | None:
    if not (new["isCaCertificate"] or new["setSubjectKeyId"]):
        return None
    if isinstance(holder.public_key, ed25519.Ed25519PublicKey):
        # The official plugin hashes the key with its ASN.1 header.
        return x509.SubjectKeyIdentifier(
            hashlib.sha1(b"\x04\x20" + holder.public_key.public_bytes_raw()).digest()
        )
    return x509.SubjectKeyIdentifier.from_public_key(holder.public_key)


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
