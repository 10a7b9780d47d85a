"""The authority that stands for Let's Encrypt: it signs certificates for the domains of the cloud's accounts.

It is made once in a cloud's life. Whoever shall believe its certificates fetches ``/_rehearsal/authority``.
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
"""Of what it signs, as with Let's Encrypt."""

OWN_LIFETIME = timedelta(days=3650)
COMMON_NAME = 64
"""Characters that a common name holds; without one the alternative names count alone, and must say so."""

BACKDATED = timedelta(hours=1)
"""A client's clock may be a little behind."""


def router(config: CloudConfig) -> APIRouter:
    """Where clients get the authority's certificate; it is no secret."""
    made = APIRouter()

    @made.get("/authority")
    async def authority() -> Response:
        return Response(certificate(config), media_type="application/x-pem-file")

    return made


def certificate(config: CloudConfig) -> bytes:
    """The authority's own certificate, PEM."""
    own, _ = _own(config)
    return own.public_bytes(serialization.Encoding.PEM)


def issue(config: CloudConfig, dns_names: list[str]) -> tuple[x509.Certificate, bytes]:
    """A certificate for the names, and the PEM of its key and chain."""
    own, own_key = _own(config)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = (
        [x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0])]
        if len(dns_names[0]) <= COMMON_NAME
        else []
    )
    leaf = (
        _begin(x509.Name(subject), own.subject, key.public_key(), LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]),
            critical=not subject,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key()), critical=False
        )
        .sign(own_key, hashes.SHA256())
    )
    return leaf, b"".join(
        [
            pem_of(key),
            leaf.public_bytes(serialization.Encoding.PEM),
            own.public_bytes(serialization.Encoding.PEM),
        ]
    )


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _own(config: CloudConfig) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Key and certificate are one file, so that no crash leaves one without the other."""
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
        made = (
            _begin(name, name, key.public_key(), OWN_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        atomic_file.write(file, pem_of(key) + made.public_bytes(serialization.Encoding.PEM))
    content = file.read_bytes()
    kept = serialization.load_pem_private_key(content, password=None)
    assert isinstance(kept, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(content), kept


_SIGNS = x509.KeyUsage(
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


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )
