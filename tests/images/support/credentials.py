"""What a stack creates for its nodes: certificates, keys, tokens, and the enrolment bundle."""

import base64
import datetime
import secrets
import uuid
from ipaddress import IPv4Address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = datetime.timedelta(hours=1)
CERTIFICATE_LIFETIME = datetime.timedelta(days=90)


class Authority:
    """A certificate authority."""

    def __init__(self) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = _pem(builder.sign(self._key, hashes.SHA256()))

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        lifetime: datetime.timedelta = CERTIFICATE_LIFETIME,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + lifetime)
        )

    def identity(
        self, *names: str, lifetime: datetime.timedelta = CERTIFICATE_LIFETIME
    ) -> dict[str, str]:
        """Return authority, certificate and key, PEM, of a node with ``names`` and on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        dns_names: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        loopback = x509.IPAddress(IPv4Address("127.0.0.1"))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
        builder = (
            self._builder(subject, key, lifetime)
            .add_extension(usages, critical=False)
            .add_extension(x509.SubjectAlternativeName([*dns_names, loopback]), critical=False)
        )
        private_key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "authority": self.pem,
            "certificate": _pem(builder.sign(self._key, hashes.SHA256())),
            "key": private_key.decode(),
        }


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def make_host_key() -> tuple[str, str]:
    """Return a new ed25519 SSH key: private and public, OpenSSH."""
    return to_openssh(ed25519.Ed25519PrivateKey.generate())


def to_openssh(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None
) -> tuple[str, str]:
    """Return the private and the public key in OpenSSH's format."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def make_gossip_key() -> str:
    """Return a new gossip key in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def make_bundle(role: str, authority: Authority) -> dict[str, Any]:
    """Return the bundle of the first node of ``role``, in a cluster of one prime."""
    is_prime = role == "prime"
    agent = "server" if is_prime else "client"
    private_host_key, _ = make_host_key()
    _, operator_key = make_host_key()
    return {
        "node": {
            "name": f"{role}01nyc3",
            "role": role,
            "datacenter": "nyc3",
            "vpc_cidr": "10.10.0.0/20",
            "task_driver": "exec",
        },
        "cluster": "" if is_prime else "101",
        "primes": ["10.10.0.2"],
        "bootstrap_expect": 1,
        "identity": authority.identity(
            f"{agent}.nyc3.consul", f"{agent}.global.nomad", "localhost"
        ),
        "gossip": {
            "consul": make_gossip_key(),
            **({"nomad": make_gossip_key()} if is_prime else {}),
        },
        "tokens": {name: str(uuid.uuid4()) for name in ("agent", "nomad", "dns")},
        "introduction": ""
        if is_prime
        else "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJub21hZCJ9.c2lnbmF0dXJl",
        "host_key": private_host_key,
        "operator_key": operator_key,
    }
