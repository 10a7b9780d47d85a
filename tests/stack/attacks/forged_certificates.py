"""Certificates of the attacker's own making: by an authority that nobody believes, or by the stack's own, long expired."""

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


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()


@dataclass(frozen=True)
class Signer:
    """An authority: its name, and the key with which it signs."""

    name: x509.Name
    key: EllipticCurvePrivateKey

    @cached_property
    def pem(self) -> str:
        built = self._builder(self.name, self.key, datetime.now(UTC) + DAY)
        return _pem(
            built.add_extension(x509.BasicConstraints(True, None), critical=True).sign(
                self.key, hashes.SHA256()
            )
        )

    def certificate(self, *names: str, believes: str, until: timedelta = DAY) -> Credentials:
        """A client's, of these DNS names, for who believes the authority ``believes``; it ends ``until`` after now."""
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        known = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return self._signed([(uses, False), (known, False)], believes, until)

    def copy_of(self, original: Credentials) -> Credentials:
        """What ``original`` says, signed here; with another key."""
        read = x509.load_pem_x509_certificate(original["certificate"].encode())
        said = [
            (one.value, one.critical)
            for one in read.extensions
            if isinstance(one.value, x509.SubjectAlternativeName)
        ]
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._signed([*said, (uses, False)], original["authority"], DAY)

    def _signed(
        self, extensions: list[tuple[x509.ExtensionType, bool]], believes: str, until: timedelta
    ) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key, datetime.now(UTC) + until)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self.key, hashes.SHA256())
        return Credentials(authority=believes, certificate=_pem(signed), key=_key_pem(key))

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


def stranger(name: x509.Name) -> Signer:
    """An authority that takes another's name."""
    return Signer(name, ec.generate_private_key(ec.SECP256R1()))


def holder_of(key_pem: str, certificate_pem: str) -> Signer:
    """An authority as who holds its key has it."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Signer(x509.load_pem_x509_certificate(certificate_pem.encode()).subject, key)


AUTHORITY = stranger(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Consul CA Primary Cert")]))
"""The attacker's, under the name that Consul's own authority has."""
