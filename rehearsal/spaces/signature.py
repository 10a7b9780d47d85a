"""AWS Signature Version 4, the verifying side: does a request carry a signature made with our secret?

Spaces takes it in the Authorization header or, presigned, in the query. A request that carries neither is
anonymous, which is not this module's business to judge.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST_PRESIGNED = timedelta(days=7)
UNHASHED = "UNSIGNED-PAYLOAD"
"""What x-amz-content-sha256 says when the client leaves the body out of the signature."""

IN_CHUNKS = "STREAMING-"
"""How it begins when the body is in chunks, which chunked.py judges."""

NEED_NOT_BE_SIGNED = "x-amz-content-sha256"
"""Of the x-amz headers: it is part of what is signed anyhow."""


class RefusedError(Exception):
    """The request is not what its signature says; ``status`` and ``code`` are S3's answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Request:
    """What was received, nothing decoded: ``path`` and ``query`` as on the wire, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Decoded names and values of the query; a plus sign is itself, as S3 has it."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(unquote(name), unquote(value)) for name, _, value in pairs]


@dataclass(frozen=True)
class SignatureClaims:
    """What a signature says of itself."""

    key: str
    scope: str
    """``DATE/REGION/s3/aws4_request``."""
    signed_headers: list[str]
    signature: str
    time: str
    payload: str
    """The hash of the body, or why there is none."""


def is_anonymous(request: Request) -> bool:
    """Whether the request carries no signature at all, right or wrong."""
    return "authorization" not in request.headers and not _presigned(request)


def verify(
    request: Request,
    secret_of: Callable[[str], str | None],
    regions: set[str],
    now: datetime | None = None,
) -> SignatureClaims:
    """Check the signature of a request that is not anonymous; ``secret_of`` knows the secrets by access key.

    A body in chunks is still to be checked.

    Raises:
        RefusedError: key, scope, time, signature or body is not right.
    """
    moment = now or datetime.now(UTC)
    claim = _from_query(request, moment) if _presigned(request) else _from_header(request, moment)
    secret = secret_of(claim.key)
    if secret is None:
        raise RefusedError(403, "InvalidAccessKeyId", "The access key is not known here.")
    date, region, service, end = (claim.scope.split("/") + [""] * 4)[:4]
    if (
        claim.scope.count("/") != 3
        or service != "s3"
        or end != "aws4_request"
        or region not in regions
        or not claim.time.startswith(date)
    ):
        raise RefusedError(
            400,
            "AuthorizationHeaderMalformed",
            f"The credential's scope is wrong: {claim.scope[:200]}",
        )
    if "host" not in claim.signed_headers:
        raise RefusedError(403, "AccessDenied", "The host header must be signed.")
    unsigned = {name for name in request.headers if name.startswith("x-amz-")} - {
        NEED_NOT_BE_SIGNED,
        *claim.signed_headers,
    }
    if unsigned:
        raise RefusedError(
            403,
            "AccessDenied",
            f"There are headers that are not signed: {', '.join(sorted(unsigned))[:200]}",
        )
    expected = signature(request, secret, claim)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise RefusedError(
            403,
            "SignatureDoesNotMatch",
            "The signature does not match the one computed from key and request.",
        )
    if re.fullmatch("[0-9a-f]{64}", claim.payload):
        if hashlib.sha256(request.body).hexdigest() != claim.payload:
            raise RefusedError(
                400, "XAmzContentSHA256Mismatch", "The body does not have the hash that was signed."
            )
    elif claim.payload != UNHASHED and not claim.payload.startswith(IN_CHUNKS):
        raise RefusedError(
            400, "InvalidArgument", f"x-amz-content-sha256 is no hash: {claim.payload[:100]}"
        )
    return claim


def signature(request: Request, secret: str, claim: SignatureClaims) -> str:
    """The signature that the holder of ``secret`` makes of the request."""
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
                for name in claim.signed_headers
            ),
            "",
            ";".join(claim.signed_headers),
            claim.payload,
        ]
    )
    text = "\n".join(
        [
            ALGORITHM,
            claim.time,
            claim.scope,
            hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest(),
        ]
    )
    return hmac.digest(signing_key(secret, claim.scope), text.encode(), "sha256").hex()


def signing_key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _presigned(request: Request) -> bool:
    return any(
        name in ("X-Amz-Signature", "X-Amz-Algorithm", "Signature")
        for name, _ in request.parameters
    )


def _from_header(request: Request, moment: datetime) -> SignatureClaims:
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    time, payload = (
        request.headers.get("x-amz-date", ""),
        request.headers.get("x-amz-content-sha256", ""),
    )
    if algorithm != ALGORITHM or not all(
        fields.get(name) for name in ("Credential", "SignedHeaders", "Signature")
    ):
        raise RefusedError(
            400, "InvalidArgument", "The authorization header is not a version 4 signature."
        )
    if not payload:
        raise RefusedError(400, "InvalidRequest", "The header x-amz-content-sha256 is missing.")
    if abs(moment - _moment(time)) > SKEW:
        raise RefusedError(
            403, "RequestTimeTooSkewed", "The request's time is too far from the server's."
        )
    return _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"], time, payload)


def _from_query(request: Request, moment: datetime) -> SignatureClaims:
    fields = dict(request.parameters)
    names = (
        "X-Amz-Credential",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Date",
        "X-Amz-Expires",
    )
    if fields.get("X-Amz-Algorithm") != ALGORITHM or not all(fields.get(name) for name in names):
        raise RefusedError(
            400, "AuthorizationQueryParametersError", "The query is not a version 4 signature."
        )
    expires = fields["X-Amz-Expires"]
    if (
        not re.fullmatch("[0-9]{1,6}", expires)
        or not 0 < int(expires) <= LONGEST_PRESIGNED.total_seconds()
    ):
        raise RefusedError(
            400, "AuthorizationQueryParametersError", "X-Amz-Expires must be 1 to 604800 seconds."
        )
    age = moment - _moment(fields["X-Amz-Date"])
    if age < -SKEW:
        raise RefusedError(403, "AccessDenied", "Request is not valid yet")
    if age > timedelta(seconds=int(expires)):
        raise RefusedError(403, "AccessDenied", "Request has expired")
    payload = request.headers.get("x-amz-content-sha256", UNHASHED)
    return _claim(
        fields["X-Amz-Credential"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        payload,
    )


def _claim(credential: str, signed: str, made: str, time: str, payload: str) -> SignatureClaims:
    key, _, scope = credential.partition("/")
    return SignatureClaims(
        key=key,
        scope=scope,
        signed_headers=signed.split(";"),
        signature=made,
        time=time,
        payload=payload,
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError(403, "AccessDenied", "The request has no valid X-Amz-Date.") from None


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
