"""Validation of an ed25519 SSH host key in OpenSSH's format.

The format is described in OpenSSH's PROTOCOL.key.
"""

import base64
import binascii
import struct
from dataclasses import dataclass

BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
MAGIC = b"openssh-key-v1\0"
ALGORITHM = b"ssh-ed25519"
PRIVATE_KEY_BYTES = 64
"""The seed and, after it, the public key of 32 bytes."""


class HostKeyError(Exception):
    """The text is not a key that sshd can use; the message contains no part of it."""


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """The private and the public key, as sshd's files hold them."""

    private: str
    public: str


def _read_strings(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """Return the first ``count`` length-prefixed strings of ``data``, and the rest."""
    strings = []
    for _ in range(count):
        (length,) = struct.unpack_from(">I", data)
        if len(data) < 4 + length:
            raise HostKeyError("the host key is truncated")
        strings.append(data[4 : 4 + length])
        data = data[4 + length :]
    return strings, data


def parse(text: str) -> HostKey:
    """Return the key of a text.

    Raises:
        HostKeyError: the text is not exactly one ed25519 key without a passphrase.
    """
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise HostKeyError("the host key is not an OpenSSH private key")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        if not blob.startswith(MAGIC):
            raise HostKeyError("the host key is not an OpenSSH private key")
        (cipher, _, _), rest = _read_strings(blob[len(MAGIC) :], 3)
        (key_count,) = struct.unpack_from(">I", rest)
        if cipher != b"none" or key_count != 1:
            raise HostKeyError("the host key has a passphrase, or is not exactly one key")
        (public, private), _ = _read_strings(rest[4:], 2)
        (algorithm, public_point), _ = _read_strings(public, 2)
        checks = struct.unpack_from(">II", private)
        (private_algorithm, private_point, secret), _ = _read_strings(private[8:], 3)
    except (binascii.Error, struct.error):
        raise HostKeyError("the host key cannot be read") from None
    if algorithm != ALGORITHM or private_algorithm != ALGORITHM:
        raise HostKeyError("the host key is not of type ssh-ed25519")
    is_consistent = (
        checks[0] == checks[1]
        and public_point == private_point
        and len(secret) == PRIVATE_KEY_BYTES
        and secret[32:] == public_point
    )
    if not is_consistent:
        raise HostKeyError("the private and public part of the host key do not belong together")
    return HostKey(
        private="\n".join([*lines, ""]),
        public=f"{ALGORITHM.decode()} {base64.b64encode(public).decode()}\n",
    )
