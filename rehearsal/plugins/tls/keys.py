"""Keys, made, read and written."""

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

RSA_EXPONENT = 65537
CURVES = {
    "P224": ec.SECP224R1(),
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
SSH_FORMS = (
    "privateKeyOpenssh",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
)


def generate(algorithm: str, curve: str, bits: int) -> PrivateKey:
    """A new key; ``curve`` counts for ECDSA and ``bits`` for RSA.

    Raises:
        PluginError: no RSA key is made of so few bits.
    """
    if algorithm == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ECDSA":
        return ec.generate_private_key(CURVES[curve])
    try:
        return rsa.generate_private_key(RSA_EXPONENT, bits)
    except ValueError as error:
        raise PluginError(f"Unable to generate Key from configuration: {error}") from error


def load(pem: str, what: str) -> PrivateKey:
    """The private key in ``pem``.

    Raises:
        PluginError: it is none of the three kinds; the message does not quote it.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PluginError(f"Failed to parse {what} PEM") from None  # the cause may tell of the key
    if not isinstance(key, PrivateKey):
        raise PluginError(f"Failed to parse {what} PEM: unsupported private key type")
    return key


def algorithm(key: PrivateKey) -> str:
    """As the official plugin names it."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """What Go signs certificates with: a digest as strong as the key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def identity(public_key: PublicKey) -> str:
    """The id of a key pair."""
    return checksum(_der(public_key))


def checksum(der: bytes) -> str:
    """The official plugin's ids: it takes the bytes for text and trims them."""
    return hashlib.sha1(der.strip()).hexdigest()


def same(one: PublicKey, other: PublicKey) -> bool:
    """Whether both are one key."""
    return _der(one) == _der(other)


def forms(key: PrivateKey) -> State:
    """All outputs of a private key. OpenSSH has no P224, so those are empty then."""
    public_key = key.public_key()
    plain = NoEncryption()
    traditional = (
        PrivateFormat.PKCS8
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else PrivateFormat.TraditionalOpenSSL
    )
    found = {
        "privateKeyPem": key.private_bytes(Encoding.PEM, traditional, plain).decode(),
        "privateKeyPemPkcs8": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain).decode(),
        "publicKeyPem": public_key.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).decode(),
    }
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1):
        return found | dict.fromkeys(SSH_FORMS, "")
    line = public_key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    return found | {
        "privateKeyOpenssh": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, plain).decode(),
        "publicKeyOpenssh": f"{line.decode()}\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob).digest().hex(":"),
        "publicKeyFingerprintSha256": "SHA256:"
        + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
    }


def _der(public_key: PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
