"""Digests that clients send along, so that what is kept is what they meant."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping

from rehearsal.spaces.signature import RefusedError


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _sha1(body: bytes) -> bytes:
    return hashlib.sha1(body, usedforsecurity=False).digest()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "content-md5": _md5,
    "x-amz-checksum-crc32": _crc32,
    "x-amz-checksum-sha1": _sha1,
    "x-amz-checksum-sha256": _sha256,
}
"""CRC32C and CRC64NVME are kept as they are told: to compute them takes a library that is not there."""


def check(headers: Mapping[str, str], body: bytes) -> None:
    """Raises: RefusedError for a digest that is none, or of something else than the body."""
    for name, digest in DIGESTS.items():
        told = headers.get(name)
        if told is None:
            continue
        try:
            wanted = base64.b64decode(told, validate=True)
        except (binascii.Error, ValueError):
            raise RefusedError(400, "InvalidDigest", f"{name} is not valid.") from None
        if wanted != digest(body):
            raise RefusedError(400, "BadDigest", f"{name} is not that of the body.")


def of_trailers(trailers: Mapping[str, str]) -> dict[str, str]:
    """Headers for the store that tell the checksum which came behind the content."""
    found = {name: value for name, value in trailers.items() if name.startswith("x-amz-checksum-")}
    return (
        {**found, "x-amz-sdk-checksum-algorithm": min(found).rpartition("-")[2].upper()}
        if found
        else {}
    )
