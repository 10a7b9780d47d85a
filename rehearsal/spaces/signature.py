"""Verification of AWS Signature Version 4, in the Authorization header or in a presigned URL.

botocore's signers are not used here: they skip headers such as User-Agent and do not normalise
the query, so they would refuse valid signatures of other clients.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from rehearsal.spaces.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
MAX_PRESIGNED_AGE = timedelta(days=7)
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""Value of x-amz-content-sha256 when the signature does not cover the body."""

CHUNKED_PREFIX = "STREAMING-"
"""Prefix of x-amz-content-sha256 for an ``aws-chunked`` body, which aws_chunked.py verifies."""

PAYLOAD_HASH_HEADER = "x-amz-content-sha256"
"""The only x-amz header that need not be signed: its value is part of the signed text."""


@dataclass(frozen=True)
class Request:
    """A received request: ``path`` and ``query`` are not decoded, header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Decoded names and values of the query. As in S3, a plus sign is not a space."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(unquote(name), unquote(value)) for name, _, value in pairs]


@dataclass(frozen=True)
class SignatureClaims:
    """The fields of a signature, not yet verified."""

    key: str
    scope: str
    """``DATE/REGION/s3/aws4_request``."""
    signed_headers: list[str]
    signature: str
    time: str
    payload: str
    """SHA-256 of the body, or a constant that says why there is none."""


def is_anonymous(request: Request) -> bool:
    """Whether the request has no signature, valid or not."""
    return "authorization" not in request.headers and not is_presigned(request)


def verify(
    request: Request,
    secret_of: Callable[[str], str | None],
    regions: set[str],
    now: datetime | None = None,
) -> SignatureClaims:
    """Verify the signature of a request that is not anonymous, except for a chunked body.

    ``secret_of`` returns the secret of an access key, None if the key does not exist.

    Raises:
        S3Error: the key, scope, time, signature or body hash is wrong.
    """
    now = now or datetime.now(UTC)
    claims = (
        _claims_from_query(request, now)
        if is_presigned(request)
        else _claims_from_header(request, now)
    )
    secret = secret_of(claims.key)
    if secret is None:
        raise S3Error(403, "InvalidAccessKeyId", "The access key does not exist.")
    date, region, service, terminator = (claims.scope.split("/") + [""] * 4)[:4]
    if (
        claims.scope.count("/") != 3
        or service != "s3"
        or terminator != "aws4_request"
        or region not in regions
        or not claims.time.startswith(date)
    ):
        raise S3Error(
            400,
            "AuthorizationHeaderMalformed",
            f"The credential's scope is wrong: {claims.scope[:200]}",
        )
    if "host" not in claims.signed_headers:
        raise S3Error(403, "AccessDenied", "The host header must be signed.")
    unsigned = {name for name in request.headers if name.startswith("x-amz-")} - {
        PAYLOAD_HASH_HEADER,
        *claims.signed_headers,
    }
    if unsigned:
        raise S3Error(
            403,
            "AccessDenied",
            f"These headers must be signed: {', '.join(sorted(unsigned))[:200]}",
        )
    expected = signature(request, secret, claims)
    if not hmac.compare_digest(expected.encode(), claims.signature.encode()):
        raise S3Error(
            403,
            "SignatureDoesNotMatch",
            "The signature does not match the one computed from the secret and the request.",
        )
    if re.fullmatch("[0-9a-f]{64}", claims.payload):
        if hashlib.sha256(request.body).hexdigest() != claims.payload:
            message = "The body does not match the signed hash."
            raise S3Error(400, "XAmzContentSHA256Mismatch", message)
    elif claims.payload != UNSIGNED_PAYLOAD and not claims.payload.startswith(CHUNKED_PREFIX):
        raise S3Error(
            400, "InvalidArgument", f"x-amz-content-sha256 is not a hash: {claims.payload[:100]}"
        )
    return claims


def signature(request: Request, secret: str, claims: SignatureClaims) -> str:
    """Return the signature of the request with ``secret``."""
    pairs = sorted(
        (_encode(name), _encode(value))
        for name, value in request.parameters
        if name != "X-Amz-Signature"
    )
    canonical = "\n".join(
        [
            request.method,
            quote(unquote(request.path, "latin-1"), safe="/-_.~", encoding="latin-1"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(
                f"{name}:{' '.join(request.headers.get(name, '').split())}"
                for name in claims.signed_headers
            ),
            "",
            ";".join(claims.signed_headers),
            claims.payload,
        ]
    )
    text = "\n".join(
        [
            ALGORITHM,
            claims.time,
            claims.scope,
            hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest(),
        ]
    )
    return hmac.digest(signing_key(secret, claims.scope), text.encode(), "sha256").hex()


def signing_key(secret: str, scope: str) -> bytes:
    """Derive the key that signs requests and chunks of one scope."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def is_presigned(request: Request) -> bool:
    return any(
        name in ("X-Amz-Signature", "X-Amz-Algorithm", "Signature")
        for name, _ in request.parameters
    )


def _claims_from_header(request: Request, now: datetime) -> SignatureClaims:
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    time, payload = (
        request.headers.get("x-amz-date", ""),
        request.headers.get("x-amz-content-sha256", ""),
    )
    if algorithm != ALGORITHM or not all(
        fields.get(name) for name in ("Credential", "SignedHeaders", "Signature")
    ):
        raise S3Error(
            400, "InvalidArgument", "The authorization header is not a version 4 signature."
        )
    if not payload:
        raise S3Error(400, "InvalidRequest", "The header x-amz-content-sha256 is missing.")
    if abs(now - _parse_time(time)) > MAX_SKEW:
        raise S3Error(
            403, "RequestTimeTooSkewed", "The request's time is too far from the server's."
        )
    return _build_claims(
        fields["Credential"], fields["SignedHeaders"], fields["Signature"], time, payload
    )


def _claims_from_query(request: Request, now: datetime) -> SignatureClaims:
    fields = dict(request.parameters)
    names = (
        "X-Amz-Credential",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Date",
        "X-Amz-Expires",
    )
    if fields.get("X-Amz-Algorithm") != ALGORITHM or not all(fields.get(name) for name in names):
        raise S3Error(
            400, "AuthorizationQueryParametersError", "The query is not a version 4 signature."
        )
    expires = fields["X-Amz-Expires"]
    if (
        not re.fullmatch("[0-9]{1,6}", expires)
        or not 0 < int(expires) <= MAX_PRESIGNED_AGE.total_seconds()
    ):
        raise S3Error(
            400, "AuthorizationQueryParametersError", "X-Amz-Expires must be 1 to 604800 seconds."
        )
    age = now - _parse_time(fields["X-Amz-Date"])
    if age < -MAX_SKEW:
        raise S3Error(403, "AccessDenied", "Request is not valid yet")
    if age > timedelta(seconds=int(expires)):
        raise S3Error(403, "AccessDenied", "Request has expired")
    payload = request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    return _build_claims(
        fields["X-Amz-Credential"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        payload,
    )


def _build_claims(
    credential: str, signed_headers: str, signature: str, time: str, payload: str
) -> SignatureClaims:
    key, _, scope = credential.partition("/")
    return SignatureClaims(
        key=key,
        scope=scope,
        signed_headers=signed_headers.split(";"),
        signature=signature,
        time=time,
        payload=payload,
    )


def _parse_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Error(403, "AccessDenied", "The request has no valid X-Amz-Date.") from None


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
