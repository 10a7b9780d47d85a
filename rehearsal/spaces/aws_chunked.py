"""Decoding of ``aws-chunked`` request bodies, which S3 clients use for streaming uploads.

Each chunk may carry a signature, and checksum headers (trailers) may follow the last chunk.
"""

import hashlib
import hmac
import re

from rehearsal.spaces.errors import S3Error
from rehearsal.spaces.signature import Request, SignatureClaims

SIGNED_PAYLOADS = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
SUPPORTED_PAYLOADS = (*SIGNED_PAYLOADS, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")

EMPTY_SHA256 = hashlib.sha256().hexdigest()


def decode_body(
    request: Request, claims: SignatureClaims, key: bytes
) -> tuple[bytes, dict[str, str]]:
    """Return the decoded content and the trailers; ``key`` is the request's signing key.

    Raises:
        S3Error: a signature is wrong, a chunk is incomplete or the announced length is wrong.
    """
    if claims.payload not in SUPPORTED_PAYLOADS:
        raise S3Error(
            501,
            "NotImplemented",
            f"x-amz-content-sha256 {claims.payload[:100]} is not supported here.",
        )
    verifier = _ChunkVerifier(claims, key) if claims.payload in SIGNED_PAYLOADS else None
    parts: list[bytes] = []
    rest = memoryview(request.body)
    while True:
        head, rest = _read_line(rest)
        size, _, extension = head.partition(";")
        length = _parse_size(size)
        chunk, rest = bytes(rest[:length]), rest[length:]
        if verifier:
            verifier.check_chunk(chunk, extension.removeprefix("chunk-signature="))
        if length == 0:
            break
        if len(chunk) < length or bytes(rest[:2]) != b"\r\n":
            raise _incomplete_body()
        parts.append(chunk)
        rest = rest[2:]
    body = b"".join(parts)
    if request.headers.get("x-amz-decoded-content-length", str(len(body))) != str(len(body)):
        raise _incomplete_body()
    return body, _parse_trailers(rest, verifier if claims.payload.endswith("-TRAILER") else None)


class _ChunkVerifier:
    """Verifies chunk signatures in order: each signature covers the previous one."""

    def __init__(self, claims: SignatureClaims, key: bytes) -> None:
        self._claims, self._key, self._previous = claims, key, claims.signature

    def check_chunk(self, chunk: bytes, signature: str) -> None:
        hashes = [EMPTY_SHA256, hashlib.sha256(chunk).hexdigest()]
        self._check("AWS4-HMAC-SHA256-PAYLOAD", hashes, signature)

    def check_trailers(self, lines: list[str], signature: str) -> None:
        text = "".join(f"{line}\n" for line in lines)
        hashes = [hashlib.sha256(text.encode()).hexdigest()]
        self._check("AWS4-HMAC-SHA256-TRAILER", hashes, signature)

    def _check(self, algorithm: str, hashes: list[str], signature: str) -> None:
        parts = [algorithm, self._claims.time, self._claims.scope, self._previous, *hashes]
        expected = hmac.digest(self._key, "\n".join(parts).encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise S3Error(
                403,
                "SignatureDoesNotMatch",
                "The signature of a chunk does not match the one computed from it.",
            )
        self._previous = expected


def _parse_trailers(rest: memoryview, verifier: _ChunkVerifier | None) -> dict[str, str]:
    lines = [line.strip() for line in bytes(rest).decode("latin-1").split("\r\n") if line.strip()]
    trailers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    signature = trailers.pop("x-amz-trailer-signature", "")
    if verifier:
        verifier.check_trailers([f"{name}:{value}" for name, value in trailers.items()], signature)
    return trailers


def _read_line(rest: memoryview) -> tuple[str, memoryview]:
    head, newline, _ = bytes(rest[:200]).partition(b"\r\n")
    if not newline:
        raise _incomplete_body()
    return head.decode("latin-1"), rest[len(head) + 2 :]


def _parse_size(text: str) -> int:
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text):
        raise _incomplete_body()
    return int(text, 16)


def _incomplete_body() -> S3Error:
    message = "The body does not consist of the chunks that its headers announce."
    return S3Error(400, "IncompleteBody", message)
