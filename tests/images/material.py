"""What a stack makes for its nodes: an authority and certificates, keys, tokens, and the bundle of it all."""

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
LONG = datetime.timedelta(days=90)


class Authority:
    """Signs certificates of both uses."""

    def __init__(self) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        begun = self._begun(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = _pem(begun.sign(self._key, hashes.SHA256()))

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: datetime.timedelta = LONG
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        begun = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
        )
        return (
            begun.serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + lasts)
        )

    def identity(self, *names: str, lasts: datetime.timedelta = LONG) -> dict[str, str]:
        """Of a node that is known by ``names`` and on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        known: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
        begun = self._begun(subject, key, lasts).add_extension(uses, critical=False)
        begun = begun.add_extension(
            x509.SubjectAlternativeName([*known, x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "authority": self.pem,
            "certificate": _pem(begun.sign(self._key, hashes.SHA256())),
            "key": secret.decode(),
        }


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def host_key() -> tuple[str, str]:
    """A new ed25519 key of SSH, the private half and the public."""
    return openssh(ed25519.Ed25519PrivateKey.generate())


def openssh(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None
) -> tuple[str, str]:
    closed = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, closed
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


def gossip_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def bundle(role: str, authority: Authority) -> dict[str, Any]:
    """What is sent to the first node of that role, in a cluster of one prime."""
    prime = role == "prime"
    kind = "server" if prime else "client"
    facts = {
        "name": f"{role}01nyc3",
        "role": role,
        "datacenter": "nyc3",
        "vpc_cidr": "10.10.0.0/20",
        "task_driver": "exec",
    }
    return {
        "node": facts,
        "cluster": "" if prime else "101",
        "primes": ["10.10.0.2"],
        "bootstrap_expect": 1,
        "identity": authority.identity(f"{kind}.nyc3.consul", f"{kind}.global.nomad", "localhost"),
        "gossip": {"consul": gossip_key(), **({"nomad": gossip_key()} if prime else {})},
        "tokens": {name: str(uuid.uuid4()) for name in ("agent", "nomad", "dns")},
        "introduction": "" if prime else "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJub21hZCJ9.c2lnbmF0dXJl",
        "host_key": host_key()[0],
        "operator_key": host_key()[1],
    }
