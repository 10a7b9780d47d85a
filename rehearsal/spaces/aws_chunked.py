"""Bodies in chunks as S3's clients send them (``aws-chunked``): each chunk may be signed, and a checksum may follow the last."""

import hashlib
import hmac
import re

from rehearsal.spaces.signature import RefusedError, Request, SignatureClaims

SIGNED = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
KINDS = (*SIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")

_NOTHING = hashlib.sha256().hexdigest()


def content(request: Request, claim: SignatureClaims, key: bytes) -> tuple[bytes, dict[str, str]]:
    """The content, and the headers that follow it; ``key`` is the one that the request was signed with.

    Raises:
        RefusedError: a chunk is not signed or not whole, or they are not as long as was announced.
    """
    if claim.payload not in KINDS:
        raise RefusedError(
            501,
            "NotImplemented",
            f"x-amz-content-sha256 {claim.payload[:100]} is not supported here.",
        )
    signer = _Signer(claim, key) if claim.payload in SIGNED else None
    parts: list[bytes] = []
    rest = memoryview(request.body)
    while True:
        head, rest = _line(rest)
        size, _, extension = head.partition(";")
        length = _length(size)
        chunk, rest = bytes(rest[:length]), rest[length:]
        if signer:
            signer.check(chunk, extension.removeprefix("chunk-signature="))
        if length == 0:
            break
        if len(chunk) < length or bytes(rest[:2]) != b"\r\n":
            raise _incomplete()
        parts.append(chunk)
        rest = rest[2:]
    whole = b"".join(parts)
    if request.headers.get("x-amz-decoded-content-length", str(len(whole))) != str(len(whole)):
        raise _incomplete()
    return whole, _trailers(rest, signer if claim.payload.endswith("-TRAILER") else None)


class _Signer:
    """Checks chunk after chunk: each signature signs the one before."""

    def __init__(self, claim: SignatureClaims, key: bytes) -> None:
        self._claim, self._key, self._previous = claim, key, claim.signature

    def check(self, chunk: bytes, made: str) -> None:
        self._check("AWS4-HMAC-SHA256-PAYLOAD", [_NOTHING, hashlib.sha256(chunk).hexdigest()], made)

    def check_trailers(self, lines: list[str], made: str) -> None:
        text = "".join(f"{line}\n" for line in lines)
        self._check("AWS4-HMAC-SHA256-TRAILER", [hashlib.sha256(text.encode()).hexdigest()], made)

    def _check(self, what: str, hashes: list[str], made: str) -> None:
        text = "\n".join([what, self._claim.time, self._claim.scope, self._previous, *hashes])
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), made.encode()):
            raise RefusedError(
                403,
                "SignatureDoesNotMatch",
                "The signature of a chunk does not match the one computed from it.",
            )
        self._previous = expected


def _trailers(rest: memoryview, signer: _Signer | None) -> dict[str, str]:
    lines = [line.strip() for line in bytes(rest).decode("latin-1").split("\r\n") if line.strip()]
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    made = headers.pop("x-amz-trailer-signature", "")
    if signer:
        signer.check_trailers([f"{name}:{value}" for name, value in headers.items()], made)
    return headers


def _line(rest: memoryview) -> tuple[str, memoryview]:
    head, found, _ = bytes(rest[:200]).partition(b"\r\n")
    if not found:
        raise _incomplete()
    return head.decode("latin-1"), rest[len(head) + 2 :]


def _length(text: str) -> int:
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text):
        raise _incomplete()
    return int(text, 16)


def _incomplete() -> RefusedError:
    return RefusedError(
        400, "IncompleteBody", "The body is not the chunks that its headers announce."
    )
