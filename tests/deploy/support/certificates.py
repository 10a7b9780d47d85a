"""An authority and what it signs, as a stack has them."""

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
    """Signs for servers on this machine, and for their clients."""

    def __init__(self, name: str) -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.BasicConstraints(ca=True, path_length=None)
        signed = (
            _begun(self._name, self._name, self._key)
            .add_extension(ca, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = _pem(signed)

    def credentials(
        self, addresses: Sequence[str] = ("127.0.0.1",), names: Sequence[str] = ()
    ) -> Credentials:
        """A certificate of both uses for a server at ``addresses`` that bears ``names``, or for any client."""
        key = ec.generate_private_key(ec.SECP256R1())
        both = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        known = x509.SubjectAlternativeName(
            [*map(x509.DNSName, names), *(x509.IPAddress(IPv4Address(one)) for one in addresses)]
        )
        begun = (
            _begun(_name("leaf"), self._name, key)
            .add_extension(both, critical=False)
            .add_extension(known, critical=False)
        )
        form = serialization.PrivateFormat.TraditionalOpenSSL
        secret = key.private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption()
        ).decode()
        return Credentials(
            authority=self.pem, certificate=_pem(begun.sign(self._key, hashes.SHA256())), key=secret
        )

    def server(self, scratch: Path, address: str = "127.0.0.1") -> ssl.SSLContext:
        """TLS of a server that takes only clients with a certificate of this authority."""
        own = self.credentials([address])
        both = scratch / "server.pem"
        both.write_text(own["certificate"] + own["key"])
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(both)
        made.load_verify_locations(cadata=self.pem)
        made.verify_mode = ssl.CERT_REQUIRED
        return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    begun = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
    )
    return (
        begun.serial_number(x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
