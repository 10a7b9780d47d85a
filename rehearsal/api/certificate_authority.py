"""The certificate authority that replaces Let's Encrypt for the domains of the cloud's accounts.

It is created once for each cloud. Clients that trust its certificates get its own from
``/_rehearsal/authority``.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fastapi import APIRouter, Response

from rehearsal import atomic_file
from rehearsal.config import CloudConfig

LIFETIME = timedelta(days=90)
"""Of an issued certificate, as with Let's Encrypt."""

AUTHORITY_LIFETIME = timedelta(days=3650)
MAX_COMMON_NAME_LENGTH = 64
"""A longer name is in the alternative names only, which are then critical."""

BACKDATING = timedelta(hours=1)
"""For clients whose clock is behind."""


def router(config: CloudConfig) -> APIRouter:
    """Return the route of the authority's certificate, which is public."""
    routes = APIRouter()

    @routes.get("/authority")
    async def authority() -> Response:
        return Response(certificate(config), media_type="application/x-pem-file")

    return routes


def certificate(config: CloudConfig) -> bytes:
    """Return the authority's own certificate as PEM."""
    authority, _ = _load_authority(config)
    return authority.public_bytes(serialization.Encoding.PEM)


def issue(config: CloudConfig, dns_names: list[str]) -> tuple[x509.Certificate, bytes]:
    """Return a certificate for the names, and its key and chain as PEM."""
    authority, authority_key = _load_authority(config)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = (
        [x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0])]
        if len(dns_names[0]) <= MAX_COMMON_NAME_LENGTH
        else []
    )
    leaf = (
        _builder(x509.Name(subject), authority.subject, key.public_key(), LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]),
            critical=not subject,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    return leaf, b"".join(
        [
            private_key_pem(key),
            leaf.public_bytes(serialization.Encoding.PEM),
            authority.public_bytes(serialization.Encoding.PEM),
        ]
    )


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_authority(
    config: CloudConfig,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority, which the first call creates.

    Key and certificate are in one file, so that no crash leaves one without the other.
    """
    file = config.directory / "authority" / "authority.pem"
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(
                    NameOID.COMMON_NAME, f"Authority of the rehearsal cloud {config.name}"
                )
            ]
        )
        authority = (
            _builder(name, name, key.public_key(), AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_AUTHORITY_KEY_USAGE, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        atomic_file.write(
            file, private_key_pem(key) + authority.public_bytes(serialization.Encoding.PEM)
        )
    content = file.read_bytes()
    loaded_key = serialization.load_pem_private_key(content, password=None)
    assert isinstance(loaded_key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(content), loaded_key


_AUTHORITY_KEY_USAGE = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + lifetime)
    )
