"""The subject of a certificate, from program inputs or from a certificate request."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State
from rehearsal.plugins.tls import keys

NAME_ATTRIBUTES = {
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
"""Attributes of a distinguished name, in the order of Go's crypto/x509."""

ALTERNATIVE_NAME_TYPES = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
"""Types of alternative names that the official plugin copies, in Go's order."""


@dataclass(frozen=True)
class Subject:
    """Distinguished name, alternative names and public key of a certificate's subject."""

    name: x509.Name
    alternative_names: Sequence[x509.GeneralName]
    public_key: keys.PublicKey


def subject_from_inputs(inputs: State, key: keys.PrivateKey) -> Subject:
    """Return the subject that a program describes.

    Raises:
        PluginError: a certificate cannot contain a name or an address.
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
        return Subject(_distinguished_name(inputs.get("subject") or {}), names, key.public_key())
    except ValueError as error:
        raise PluginError(f"Invalid name of a certificate: {error}") from error


def subject_from_request(pem: str) -> Subject:
    """Return the subject of a certificate request.

    Raises:
        PluginError: the text is not a request, or its key type is not supported.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        public_key = request.public_key()
        extensions = [
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
        for kind in ALTERNATIVE_NAME_TYPES
        for extension in extensions
        for name in extension
        if isinstance(name, kind)
    ]
    return Subject(request.subject, names, public_key)


def create_request(subject: Subject, key: keys.PrivateKey) -> tuple[str, str]:
    """Return id and PEM of a certificate request that the subject's key signs."""
    builder = x509.CertificateSigningRequestBuilder(subject.name)
    if subject.alternative_names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(subject.alternative_names), critical=False
        )
    signed = builder.sign(key, keys.signature_hash(key))
    return keys.resource_id(signed.public_bytes(Encoding.DER)), signed.public_bytes(
        Encoding.PEM
    ).decode()


def _distinguished_name(attributes: State) -> x509.Name:
    name_attributes = []
    for field, oid in NAME_ATTRIBUTES.items():
        value = attributes.get(field) or []
        name_attributes += [
            x509.NameAttribute(oid, item)
            for item in (value if isinstance(value, list) else [value])
        ]
    return x509.Name(name_attributes)
