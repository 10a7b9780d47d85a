"""An ed25519 host key in OpenSSH's own format: checked, and its public half read out of it."""

import base64
import binascii
import struct
from dataclasses import dataclass

BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
MAGIC = b"openssh-key-v1\0"
ALGORITHM = b"ssh-ed25519"


class HostKeyError(Exception):
    """It is no key that sshd could use; the message tells why and shows nothing of it."""


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """Both halves as their files hold them."""

    private: str
    public: str


def _take(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """The first ``count`` strings, each with its length before it, and what follows them."""
    taken = []
    for _ in range(count):
        (length,) = struct.unpack_from(">I", data)
        if len(data) < 4 + length:
            raise HostKeyError("the host key is cut off")
        taken.append(data[4 : 4 + length])
        data = data[4 + length :]
    return taken, data


def parse(text: str) -> HostKey:
    """Raises:
    HostKeyError: it is not one ed25519 key without a passphrase.
    """
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise HostKeyError("the host key is no OpenSSH private key")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        if not blob.startswith(MAGIC):
            raise HostKeyError("the host key is no OpenSSH private key")
        (cipher, _, _), rest = _take(blob[len(MAGIC) :], 3)
        (keys,) = struct.unpack_from(">I", rest)
        if cipher != b"none" or keys != 1:
            raise HostKeyError("the host key has a passphrase, or is not one key")
        (public, private), _ = _take(rest[4:], 2)
        (algorithm, point), _ = _take(public, 2)
        first, second = struct.unpack_from(">II", private)
        (own_algorithm, own_point, secret), _ = _take(private[8:], 3)
    except (binascii.Error, struct.error):
        raise HostKeyError("the host key cannot be read") from None
    if algorithm != ALGORITHM or own_algorithm != ALGORITHM:
        raise HostKeyError("the host key is not of the kind ssh-ed25519")
    if first != second or point != own_point or len(secret) != 64 or secret[32:] != point:
        raise HostKeyError("the halves of the host key do not belong together")
    return HostKey(
        private="\n".join([*lines, ""]),
        public=f"{ALGORITHM.decode()} {base64.b64encode(public).decode()}\n",
    )
