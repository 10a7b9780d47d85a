"""A certificate authority and certificates like a stack's."""

import datetime
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.mtls import Credentials

HOUR = datetime.timedelta(hours=1)


class CertificateAuthority:
    """Signs certificates for servers on this machine, and for their clients."""

    def __init__(self, name: str) -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.BasicConstraints(ca=True, path_length=None)
        signed = (
            _builder(self._name, self._name, self._key)
            .add_extension(ca, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = _pem(signed)

    def credentials(
        self, addresses: Sequence[str] = ("127.0.0.1",), names: Sequence[str] = ()
    ) -> Credentials:
        """Return a certificate for a server at ``addresses`` with ``names``, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        alternative_names = x509.SubjectAlternativeName(
            [*map(x509.DNSName, names), *(x509.IPAddress(IPv4Address(one)) for one in addresses)]
        )
        builder = (
            _builder(_name("leaf"), self._name, key)
            .add_extension(usages, critical=False)
            .add_extension(alternative_names, critical=False)
        )
        form = serialization.PrivateFormat.TraditionalOpenSSL
        secret = key.private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption()
        ).decode()
        return Credentials(
            authority=self.pem,
            certificate=_pem(builder.sign(self._key, hashes.SHA256())),
            key=secret,
        )

    def server(self, scratch: Path, address: str = "127.0.0.1") -> ssl.SSLContext:
        """Return the TLS context of a server that requires this authority's certificates."""
        credentials = self.credentials([address])
        pem_file = scratch / "server.pem"
        pem_file.write_text(credentials["certificate"] + credentials["key"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem_file)
        context.load_verify_locations(cadata=self.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
    )
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
