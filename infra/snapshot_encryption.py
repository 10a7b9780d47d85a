"""The encryption of snapshots of Consul and Nomad: AES-GCM with a key in the stack's state."""

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
"""Of AES-GCM. A file starts with the nonce."""


def encrypt(content: bytes, key: str) -> bytes:
    """Return the nonce and the AES-GCM ciphertext of ``content``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(base64.b64decode(key)).encrypt(nonce, content, None)


def decrypt(content: bytes, key: str) -> bytes:
    """Return the content of an encrypted snapshot.

    Raises:
        cryptography.exceptions.InvalidTag: the key is another one, or the file was changed.
    """
    nonce, ciphertext = content[:NONCE_BYTES], content[NONCE_BYTES:]
    return AESGCM(base64.b64decode(key)).decrypt(nonce, ciphertext, None)
