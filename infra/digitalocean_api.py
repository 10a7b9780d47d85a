"""A client of DigitalOcean's API: token, retries, timeouts, pages and errors.

It also states the prices and addresses that the API does not return.
"""

import os
import re
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

API_URL = "https://api.digitalocean.com"
SPACES_URL_TEMPLATE = "https://{{.Region}}.digitaloceanspaces.com"
"""A Go template, as the DigitalOcean provider takes it."""
SPACES_SIGNING_REGION = "us-east-1"
SPACES_TIMEOUT_S = (3.0, 10.0)
"""For the connection, and then for the response."""
SPACES_MAX_ATTEMPTS = 2
SPACES_KEY_VARIABLES = {
    "spacesAccessId": "SPACES_ACCESS_KEY_ID",
    "spacesSecretKey": "SPACES_SECRET_ACCESS_KEY",
}
"""Environment variable of each provider setting."""
TOKEN_VARIABLES = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")

LOAD_BALANCER_NODE_MONTHLY_USD = 12.0

PAGE_SIZE = 200
"""The most objects that the API returns in one page."""
REQUEST_TIMEOUT_S = 30.0
MAX_RETRIES = 4
MAX_CONNECT_RETRIES = 2
BACKOFF_FACTOR_S = 0.5
RETRIED_STATUSES = (429, 500, 502, 503, 504)


class ApiError(Exception):
    """A request failed. The message names the request, the cause and, if known, the remedy."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0 without a response."""

    @property
    def is_not_found(self) -> bool:
        return self.status == 404


class MissingTokenError(ApiError):
    """There is no token, neither in the environment nor in the configuration."""


class DigitalOceanApi:
    """A session with one token. Every request raises ``ApiError`` when it fails."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        # POST is retried too: a repeated POST makes at worst a second SSH key of the same name,
        # and keys are removed by name.
        retry = Retry(
            total=MAX_RETRIES,
            connect=MAX_CONNECT_RETRIES,
            backoff_factor=BACKOFF_FACTOR_S,
            status_forcelist=RETRIED_STATUSES,
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the response body; ``path`` starts with ``/v2/``."""
        return self.request("GET", path, query=query)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the response body, or None if the object does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.is_not_found:
                return None
            raise

    def list_all(self, path: str, key: str, **query: str | int) -> list[dict[str, Any]]:
        """Return the objects of all pages; ``key`` is their name in the response body.

        All pages are read before the caller sees an object, so the caller may delete objects.
        """
        objects: list[dict[str, Any]] = []
        page, has_next = 1, True
        while has_next:
            body = self.get(path, page=page, per_page=PAGE_SIZE, **query)
            objects += body[key]
            has_next = "next" in ((body.get("links") or {}).get("pages") or {})
            page += 1
        return objects

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.request("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.request("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete an object, unless it is already deleted."""
        try:
            self.request("DELETE", path)
        except ApiError as error:
            if not error.is_not_found:
                raise

    def ensure_tag(self, name: str) -> None:
        """Create a tag, unless it exists."""
        if self.find(f"/v2/tags/{name}") is None:
            self.post("/v2/tags", {"name": name})

    def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str | int] | None = None,
    ) -> dict[str, Any]:
        """Return the response body; empty if the response has none."""
        try:
            response = self._session.request(
                method, self.url + path, params=query, json=body, timeout=REQUEST_TIMEOUT_S
            )
        except requests.RequestException as error:
            raise ApiError(
                f"the API at {self.url} cannot be reached for {method} {path} "
                f"({type(error).__name__}); check DIGITALOCEAN_API_URL"
            ) from error
        if response.status_code == 401:
            raise ApiError(
                f"the API at {self.url} rejects the token (401); "
                f"set {TOKEN_VARIABLES[0]} to a valid token",
                401,
            )
        if not response.ok:
            raise ApiError(
                f"the API at {self.url} answers {response.status_code} to {method} {path}: "
                f"{_reason(response)}",
                response.status_code,
            )
        try:
            result: dict[str, Any] = response.json() if response.content else {}
        except ValueError as error:
            raise ApiError(
                f"the API at {self.url} answers {method} {path} with no JSON; "
                "check DIGITALOCEAN_API_URL"
            ) from error
        return result


def _reason(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.reason


def connect(configured: Callable[[str], str | None] = lambda _: None) -> DigitalOceanApi:
    """Return a client with the token and URL of the DigitalOcean provider.

    Args:
        configured: returns the value of a key of the Pulumi configuration namespace
            ``digitalocean``. Without a value, the environment counts.

    Raises:
        MissingTokenError: there is no token.
    """
    token = configured("token") or _from_environment(*TOKEN_VARIABLES)
    if not token:
        raise MissingTokenError(
            f"no API token: set {TOKEN_VARIABLES[0]}, "
            "or `pulumi config set --secret digitalocean:token`"
        )
    url = configured("apiEndpoint") or _from_environment("DIGITALOCEAN_API_URL") or API_URL
    return DigitalOceanApi(url, token)


def public_address(droplet: dict[str, Any]) -> str:
    """Return the first public address of a droplet; a reserved IP comes after it."""
    return next(
        str(network["ip_address"])
        for network in droplet["networks"]["v4"]
        if network["type"] == "public"
    )


def spaces_url(region: str, configured: Callable[[str], str | None] = lambda _: None) -> str:
    """Return the URL of Spaces in a region; ``configured`` is as for ``connect``."""
    template = (
        configured("spacesEndpoint")
        or _from_environment("SPACES_ENDPOINT_URL")
        or SPACES_URL_TEMPLATE
    )
    return template.replace("{{.Region}}", region).rstrip("/")


def spaces_key(configured: Callable[[str], str | None] = lambda _: None) -> tuple[str, str]:
    """Return id and secret of the Spaces key, each empty if there is none.

    ``configured`` is as for ``connect``.
    """
    id, secret = (
        configured(name) or _from_environment(variable) or ""
        for name, variable in SPACES_KEY_VARIABLES.items()
    )
    return id, secret


def create_spaces_client(
    region: str, configured: Callable[[str], str | None] = lambda _: None
) -> Any:
    """Return an S3 client for the buckets of a region; ``configured`` is as for ``connect``."""
    # Imported here, because it takes long to load.
    import boto3
    from botocore.config import Config

    id, secret = spaces_key(configured)
    connect_timeout, read_timeout = SPACES_TIMEOUT_S
    return boto3.client(
        "s3",
        endpoint_url=spaces_url(region.lower(), configured),
        region_name=SPACES_SIGNING_REGION,
        aws_access_key_id=id,
        aws_secret_access_key=secret,
        config=Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries={"max_attempts": SPACES_MAX_ATTEMPTS},
        ),
    )


def spaces_key_refusal(bucket_url: str, access_key: str, secret_key: str) -> str:
    """Return the error code with which Spaces refuses a key; empty if it accepts the key.

    The request names the bucket in the path. A Spaces that does not answer refuses no key.
    """
    # Imported here, because they are slow to load and only an update needs them.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{bucket_url}?location"
    request = AWSRequest("GET", url)
    credentials = Credentials(access_key, secret_key)
    S3SigV4Auth(credentials, "s3", SPACES_SIGNING_REGION).add_auth(request)
    try:
        response = requests.get(
            url, headers=dict(request.headers.items()), timeout=SPACES_TIMEOUT_S
        )
    except requests.RequestException:
        return ""
    found = re.search(r"<Code>(InvalidAccessKeyId|SignatureDoesNotMatch)</Code>", response.text)
    return found[1] if found else ""


def _from_environment(*variables: str) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)
