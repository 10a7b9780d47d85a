"""Errors that Spaces reports to its clients."""


class S3Error(Exception):
    """An S3 error response: ``status`` is the HTTP status, ``code`` is S3's error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class UnavailableError(Exception):
    """A change cannot be stored, for example because the disk is full. No state has changed."""


class MalformedRequestError(Exception):
    """moto cannot handle the request. No state has changed."""


def access_denied() -> S3Error:
    return S3Error(403, "AccessDenied", "Access Denied.")


def not_implemented() -> S3Error:
    return S3Error(501, "NotImplemented", "Spaces does not implement this.")
