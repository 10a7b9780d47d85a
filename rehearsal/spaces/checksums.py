"""Verification of the body checksums that clients send in headers or trailers."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping

from rehearsal.spaces.errors import S3Error


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _sha1(body: bytes) -> bytes:
    return hashlib.sha1(body, usedforsecurity=False).digest()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    "content-md5": _md5,
    "x-amz-checksum-crc32": _crc32,
    "x-amz-checksum-sha1": _sha1,
    "x-amz-checksum-sha256": _sha256,
}
"""Header name to algorithm. CRC32C and CRC64NVME are stored unverified: Python lacks them."""


def check(headers: Mapping[str, str], body: bytes) -> None:
    """Verify every checksum header against ``body``.

    Raises:
        S3Error: a checksum is not valid Base64 or does not match the body.
    """
    for name, algorithm in CHECKSUMS.items():
        value = headers.get(name)
        if value is None:
            continue
        try:
            expected = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise S3Error(400, "InvalidDigest", f"{name} is not valid.") from None
        if expected != algorithm(body):
            raise S3Error(400, "BadDigest", f"{name} does not match the body.")


def trailer_headers(trailers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by which moto stores a checksum that arrived in a trailer."""
    checksums = {
        name: value for name, value in trailers.items() if name.startswith("x-amz-checksum-")
    }
    if not checksums:
        return {}
    algorithm = min(checksums).rpartition("-")[2].upper()
    return {**checksums, "x-amz-sdk-checksum-algorithm": algorithm}
