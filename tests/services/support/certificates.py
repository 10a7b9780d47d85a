"""Certificates like those of Consul's CA, and TLS contexts with them."""

import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TRUST_DOMAIN = "5e0be9cb-7d0c-2d6a-3d5a-8f7b6a0d9c11.consul"
CA_USAGE = {"key_cert_sign", "crl_sign", "digital_signature"}
LEAF_USAGE = {"digital_signature", "key_encipherment", "data_encipherment", "key_agreement"}
USAGES = CA_USAGE | LEAF_USAGE | {"content_commitment", "encipher_only", "decipher_only"}


def service_uri(service: str, trust_domain: str = TRUST_DOMAIN) -> str:
    return f"spiffe://{trust_domain}/ns/default/dc/nyc3/svc/{service}"


@dataclass(frozen=True)
class Credentials:
    """A certificate and its key in PEM, with the certificate's serial number and expiry."""

    certificate: str
    key: str
    serial: int
    expires: datetime


@dataclass
class Authority:
    """A root certificate authority of the mesh."""

    name: str = "Consul CA Primary Cert"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    cross_certificate: str = ""
    """Its certificate signed by the previous root.

    It follows each leaf, for peers that trust only the previous root.
    """

    @cached_property
    def certificate(self) -> str:
        return self._sign_authority(self)

    def cross_signed_by(self, older: "Authority") -> "Authority":
        self.cross_certificate = older._sign_authority(self)
        return self

    def leaf(self, *uris: str, lifetime: timedelta = timedelta(hours=72)) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        usages = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        )
        builder = self._builder(x509.Name([]), key.public_key(), lifetime, ca=False).add_extension(
            usages, False
        )
        certificate = (builder.add_extension(names, True) if uris else builder).sign(
            self.key, hashes.SHA256()
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        chain = (
            certificate.public_bytes(serialization.Encoding.PEM).decode() + self.cross_certificate
        )
        return Credentials(
            chain, pem.decode(), certificate.serial_number, certificate.not_valid_after_utc
        )

    def _sign_authority(self, other: "Authority") -> str:
        builder = self._builder(
            other._subject(), other.key.public_key(), timedelta(days=3650), ca=True
        )
        return (
            builder.sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
            .decode()
        )

    def _subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta, *, ca: bool
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        usage = CA_USAGE if ca else LEAF_USAGE
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject())
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.KeyUsage(**{name: name in usage for name in USAGES}), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )


def tls(protocol: int, credentials: Credentials | None, *trusted: Authority) -> ssl.SSLContext:
    """Return a context with ``credentials`` that trusts any certificate of ``trusted``."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata="".join(authority.certificate for authority in trusted))
    if credentials:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(credentials.certificate + credentials.key)
            file.flush()
            context.load_cert_chain(file.name)
    return context
