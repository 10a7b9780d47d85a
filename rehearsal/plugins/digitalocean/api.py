"""Clients of the DigitalOcean API, with the retries of the official client, and of Spaces."""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.plugins.config import read_setting
from rehearsal.plugins.deadline import Deadline
from rehearsal.plugins.digitalocean.spaces import Spaces
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import INTEGER, NUMBER, STRING, Property
from rehearsal.plugins.rest import RestClient, RestError, none_if_not_found

CONFIG = {
    "apiEndpoint": Property(STRING),
    "httpRetryMax": Property(INTEGER),
    "httpRetryWaitMax": Property(NUMBER),
    "httpRetryWaitMin": Property(NUMBER),
    "requestsPerSecond": Property(NUMBER, supported=False),
    "spacesAccessId": Property(STRING),
    "spacesEndpoint": Property(STRING),
    "spacesSecretKey": Property(STRING),
    "token": Property(STRING),
}

PER_PAGE = 200


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed request is retried."""

    max_retries: int = 4
    min_wait_s: float = 1.0
    max_wait_s: float = 30.0

    def should_retry(self, attempt: int, error: PluginError) -> bool:
        """Whether to retry after ``attempt`` (from 0): on 429, 5xx and lost connections."""
        if attempt == self.max_retries:
            return False
        return not isinstance(error, RestError) or (
            error.status == 429 or (error.status >= 500 and error.status != 501)
        )

    def wait_s(self, attempt: int, error: PluginError) -> float:
        """Return the seconds to wait: the Retry-After header, else an exponential backoff."""
        if isinstance(error, RestError) and error.status in (429, 503):
            with contextlib.suppress(KeyError, ValueError):
                return float(error.headers["Retry-After"])
        return float(min(self.max_wait_s, self.min_wait_s * 2**attempt))


class _ApiClient(RestClient):
    def error_message(self, body: bytes) -> str:
        try:
            error = json.loads(body)
        except ValueError:
            return super().error_message(body)
        text = error.get("message") or "; ".join(
            [str(error.get("error", "")), *error.get("messages", [])]
        )
        request = f'(request "{error["request_id"]}") ' if error.get("request_id") else ""
        return f"{request}{text}"


class DigitalOcean:
    """The API and the Spaces of one account."""

    def __init__(self, rest: RestClient, retries: RetryPolicy, spaces: Spaces) -> None:
        self._rest = rest
        self._retries = retries
        self.spaces = spaces

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Send a request. Like the official client, this also retries POST requests.

        Raises:
            RestError: the API returned an error that is not retried, or the last retry failed.
            PluginError: the connection failed.
        """
        attempt = 0
        while True:
            try:
                return self._rest.call(method, path, body, query).json()
            except PluginError as error:
                if not self._retries.should_retry(attempt, error):
                    raise
                time.sleep(self._retries.wait_s(attempt, error))
                attempt += 1

    def find(self, path: str) -> Any:
        """Send a GET request and return the response, None for a 404."""
        return none_if_not_found(lambda: self.call("GET", path))

    def delete(self, path: str) -> None:
        """Delete an object. It is no error if the object does not exist."""
        none_if_not_found(lambda: self.call("DELETE", path))

    def list_all(self, path: str, key: str, query: Mapping[str, str] | None = None) -> list[Any]:
        """Return the items of all pages of a list."""
        items: list[Any] = []
        page = 1
        while True:
            response = self.call(
                "GET", path, query={**(query or {}), "page": str(page), "per_page": str(PER_PAGE)}
            )
            items += response[key]
            if not response.get("links", {}).get("pages", {}).get("next"):
                return items
            page += 1

    def wait_for_action(self, action: Mapping[str, Any], deadline: Deadline) -> None:
        """Wait until an action has ``completed_at``, like the official plugin."""
        description = f"action {action['id']} ({action['type']})"

        def get_state() -> str:
            current = self.call("GET", f"/v2/actions/{action['id']}")["action"]
            if current["status"] == "errored":
                raise PluginError(f"{description} errored")
            return "completed" if current["completed_at"] else "in-progress"

        deadline.wait_for_state(get_state, ("in-progress",), "completed", description)


def connect(config: Mapping[str, Any]) -> DigitalOcean:
    """Return a client configured by the provider configuration or the environment."""
    settings = dict(config)
    token = read_setting(settings, "token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"))
    base_url = read_setting(
        settings, "apiEndpoint", ("DIGITALOCEAN_API_URL",), "https://api.digitalocean.com"
    ).rstrip("/")
    retries = RetryPolicy(
        int(read_setting(settings, "httpRetryMax", ("DIGITALOCEAN_HTTP_RETRY_MAX",), "4")),
        float(
            read_setting(settings, "httpRetryWaitMin", ("DIGITALOCEAN_HTTP_RETRY_WAIT_MIN",), "1")
        ),
        float(
            read_setting(settings, "httpRetryWaitMax", ("DIGITALOCEAN_HTTP_RETRY_WAIT_MAX",), "30")
        ),
    )
    spaces = Spaces(
        read_setting(
            settings,
            "spacesEndpoint",
            ("SPACES_ENDPOINT_URL",),
            "https://{{.Region}}.digitaloceanspaces.com",
        ),
        read_setting(settings, "spacesAccessId", ("SPACES_ACCESS_KEY_ID",)),
        read_setting(settings, "spacesSecretKey", ("SPACES_SECRET_ACCESS_KEY",)),
    )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return DigitalOcean(_ApiClient(base_url, headers), retries, spaces)
