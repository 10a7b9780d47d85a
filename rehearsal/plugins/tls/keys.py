"""Private and public keys: generation, parsing and encoding."""

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
OPENSSH_OUTPUTS = (
    "privateKeyOpenssh",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
)


def generate(algorithm: str, curve: str, bits: int) -> PrivateKey:
    """Generate a key. ``curve`` is used for ECDSA, ``bits`` for RSA.

    Raises:
        PluginError: the number of bits is too small.
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
    """Return the private key in ``pem``.

    Raises:
        PluginError: the key cannot be parsed or has another type. The message has no key material.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause may contain key material.
        raise PluginError(f"Failed to parse {what} PEM") from None
    if not isinstance(key, PrivateKey):
        raise PluginError(f"Failed to parse {what} PEM: unsupported private key type")
    return key


def algorithm(key: PrivateKey) -> str:
    """Return the official plugin's name of the key's algorithm."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """Return the hash with which Go signs certificates for this key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def key_pair_id(public_key: PublicKey) -> str:
    """Return the resource id of a key pair."""
    return resource_id(_der(public_key))


def resource_id(der: bytes) -> str:
    """Return the id like the official plugin, which trims the bytes like text."""
    return hashlib.sha1(der.strip()).hexdigest()


def is_same_key(first: PublicKey, second: PublicKey) -> bool:
    return _der(first) == _der(second)


def encode_outputs(key: PrivateKey) -> State:
    """Return the outputs of a private key. OpenSSH outputs are empty for P224 keys."""
    public_key = key.public_key()
    unencrypted = NoEncryption()
    traditional = (
        PrivateFormat.PKCS8
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else PrivateFormat.TraditionalOpenSSL
    )
    outputs = {
        "privateKeyPem": key.private_bytes(Encoding.PEM, traditional, unencrypted).decode(),
        "privateKeyPemPkcs8": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, unencrypted
        ).decode(),
        "publicKeyPem": public_key.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).decode(),
    }
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1):
        return outputs | dict.fromkeys(OPENSSH_OUTPUTS, "")
    line = public_key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    return outputs | {
        "privateKeyOpenssh": key.private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, unencrypted
        ).decode(),
        "publicKeyOpenssh": f"{line.decode()}\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob).digest().hex(":"),
        "publicKeyFingerprintSha256": "SHA256:"
        + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
    }


def _der(public_key: PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
