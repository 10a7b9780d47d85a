"""Whom a certificate is for, read from a program or from a request."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State
from rehearsal.plugins.tls import keys

RDNS = {
    "country": NameOID.COUNTRY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}
"""In the order in which Go writes them."""

NAME_KINDS = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
"""The alternative names that the official plugin takes over, in Go's order."""


@dataclass(frozen=True)
class Holder:
    """A subject, its other names and its key."""

    subject: x509.Name
    names: Sequence[x509.GeneralName]
    public_key: keys.PublicKey


def written(inputs: State, key: keys.PrivateKey) -> Holder:
    """The holder that a program describes.

    Raises:
        PluginError: a name or an address cannot be in a certificate.
    """
    try:
        names: list[x509.GeneralName] = [
            x509.DNSName(name) for name in inputs.get("dnsNames") or []
        ]
        names += [
            x509.IPAddress(ipaddress.ip_address(address))
            for address in inputs.get("ipAddresses") or []
        ]
        names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
        return Holder(_subject(inputs.get("subject") or {}), names, key.public_key())
    except ValueError as error:
        raise PluginError(f"Invalid name of a certificate: {error}") from error


def requested(pem: str) -> Holder:
    """The holder that a request names.

    Raises:
        PluginError: it is no request, or its key is of no known kind.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        public_key = request.public_key()
        asked = [
            item.value
            for item in request.extensions
            if isinstance(item.value, x509.SubjectAlternativeName)
        ]
    except ValueError as error:
        raise PluginError(f"Failed to parse certificate request PEM: {error}") from error
    if not isinstance(public_key, keys.PublicKey):
        raise PluginError("Failed to parse certificate request PEM: unsupported public key type")
    names = [
        name
        for kind in NAME_KINDS
        for extension in asked
        for name in extension
        if isinstance(name, kind)
    ]
    return Holder(request.subject, names, public_key)


def request(holder: Holder, key: keys.PrivateKey) -> tuple[str, str]:
    """The id and the PEM of a request, signed with the holder's key."""
    builder = x509.CertificateSigningRequestBuilder(holder.subject)
    if holder.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(holder.names), critical=False)
    signed = builder.sign(key, keys.digest(key))
    return keys.checksum(signed.public_bytes(Encoding.DER)), signed.public_bytes(
        Encoding.PEM
    ).decode()


def _subject(subject: State) -> x509.Name:
    attributes = []
    for field, oid in RDNS.items():
        value = subject.get(field) or []
        attributes += [
            x509.NameAttribute(oid, item)
            for item in (value if isinstance(value, list) else [value])
        ]
    return x509.Name(attributes)
