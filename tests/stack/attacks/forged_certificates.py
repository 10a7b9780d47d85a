"""Certificates that the attacker signs, with a false authority or with the stack's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.mtls import Credentials

DAY = timedelta(days=1)
Extension = tuple[x509.ExtensionType, bool]
"""An extension, and whether it is critical."""


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@dataclass(frozen=True)
class Signer:
    """An authority's name and private key."""

    name: x509.Name
    key: EllipticCurvePrivateKey

    @cached_property
    def pem(self) -> str:
        """The authority's own certificate."""
        builder = self._builder(self.name, self.key, datetime.now(UTC) + DAY)
        constraints = x509.BasicConstraints(True, None)
        return _certificate_pem(
            builder.add_extension(constraints, critical=True).sign(self.key, hashes.SHA256())
        )

    def client_certificate(
        self, *names: str, authority: str, expires_in: timedelta = DAY
    ) -> Credentials:
        """Sign a client certificate for DNS names; its holder trusts ``authority``, PEM."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return self._sign([(usage, False), (alternatives, False)], authority, expires_in)

    def copy_of(self, original: Credentials) -> Credentials:
        """Sign a certificate with the names of ``original`` and a new key."""
        certificate = x509.load_pem_x509_certificate(original["certificate"].encode())
        names: list[Extension] = [
            (extension.value, extension.critical)
            for extension in certificate.extensions
            if isinstance(extension.value, x509.SubjectAlternativeName)
        ]
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._sign([*names, (usage, False)], original["authority"], DAY)

    def _sign(
        self, extensions: list[Extension], authority: str, expires_in: timedelta
    ) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key, datetime.now(UTC) + expires_in)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Credentials(
            authority=authority, certificate=_certificate_pem(certificate), key=_key_pem(key)
        )

    def _builder(
        self, subject: x509.Name, key: EllipticCurvePrivateKey, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(end, datetime.now(UTC)) - DAY)
            .not_valid_after(end)
        )


def false_authority(name: x509.Name) -> Signer:
    """Return a new authority with the name of another one."""
    return Signer(name, ec.generate_private_key(ec.SECP256R1()))


def stolen_authority(key_pem: str, certificate_pem: str) -> Signer:
    """Return the authority of a stolen key."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Signer(x509.load_pem_x509_certificate(certificate_pem.encode()).subject, key)


AUTHORITY = false_authority(
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Consul CA Primary Cert")])
)
"""The attacker's, with the name of Consul's own authority."""
