"""The DigitalOcean API with the official client's retries, and the way to Spaces."""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.plugins.deadline import Clock
from rehearsal.plugins.config import setting
from rehearsal.plugins.digitalocean.spaces import Spaces
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.rest import Rest, RestError
from rehearsal.plugins.properties import INTEGER, NUMBER, STRING, Property

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
class Retries:
    """How often a request is tried again and how many seconds apart."""

    most: int = 4
    shortest: float = 1.0
    longest: float = 30.0

    def pause(self, attempt: int, error: PluginError) -> float:
        """Seconds after try number ``attempt`` (from 0); the service's own Retry-After goes first."""
        if isinstance(error, RestError) and error.status in (429, 503):
            with contextlib.suppress(KeyError, ValueError):
                return float(error.headers["Retry-After"])
        return float(min(self.longest, self.shortest * 2**attempt))


class _Api(Rest):
    def reason(self, body: bytes) -> str:
        try:
            error = json.loads(body)
        except ValueError:
            return super().reason(body)
        text = error.get("message") or "; ".join(
            [str(error.get("error", "")), *error.get("messages", [])]
        )
        request = f'(request "{error["request_id"]}") ' if error.get("request_id") else ""
        return f"{request}{text}"


class DigitalOcean:
    """One account's API and Spaces."""

    def __init__(self, rest: Rest, retries: Retries, spaces: Spaces) -> None:
        self._rest = rest
        self._retries = retries
        self.spaces = spaces

    def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """One request; 429, 5xx and lost connections are tried again, POST included, as the official client does.

        Raises:
            RestError: refused for good, with the status and the API's message.
            PluginError: no connection.
        """
        attempt = 0
        while True:
            try:
                return self._rest.call(method, path, body, query).json()
            except PluginError as error:
                if attempt == self._retries.most or (
                    isinstance(error, RestError) and not _passing(error.status)
                ):
                    raise
                time.sleep(self._retries.pause(attempt, error))
                attempt += 1

    def find(self, path: str) -> Any:
        """One GET, None for a 404."""
        try:
            return self.call("GET", path)
        except RestError as error:
            if error.status == 404:
                return None
            raise

    def every(self, path: str, key: str, query: Mapping[str, str] | None = None) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        page = 1
        while True:
            answer = self.call(
                "GET", path, query={**(query or {}), "page": str(page), "per_page": str(PER_PAGE)}
            )
            found += answer[key]
            if not answer.get("links", {}).get("pages", {}).get("next"):
                return found
            page += 1

    def finish(self, action: Mapping[str, Any], clock: Clock) -> None:
        """Wait for an action. Its ``completed_at`` tells that it ended, as for the official plugin."""

        def look() -> tuple[str, None]:
            found = self.call("GET", f"/v2/actions/{action['id']}")["action"]
            if found["status"] == "errored":
                raise PluginError(f"action {action['id']} ({action['type']}) errored")
            return ("completed" if found["completed_at"] else "in-progress"), None

        clock.until(
            look, ("in-progress",), "completed", f"action {action['id']} ({action['type']})"
        )


def connect(config: Mapping[str, Any]) -> DigitalOcean:
    """The account that the provider's configuration or the environment names."""
    settings = dict(config)
    token = setting(settings, "token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"))
    base = setting(
        settings, "apiEndpoint", ("DIGITALOCEAN_API_URL",), "https://api.digitalocean.com"
    ).rstrip("/")
    retries = Retries(
        int(setting(settings, "httpRetryMax", ("DIGITALOCEAN_HTTP_RETRY_MAX",), "4")),
        float(setting(settings, "httpRetryWaitMin", ("DIGITALOCEAN_HTTP_RETRY_WAIT_MIN",), "1")),
        float(setting(settings, "httpRetryWaitMax", ("DIGITALOCEAN_HTTP_RETRY_WAIT_MAX",), "30")),
    )
    spaces = Spaces(
        setting(
            settings,
            "spacesEndpoint",
            ("SPACES_ENDPOINT_URL",),
            "https://{{.Region}}.digitaloceanspaces.com",
        ),
        setting(settings, "spacesAccessId", ("SPACES_ACCESS_KEY_ID",)),
        setting(settings, "spacesSecretKey", ("SPACES_SECRET_ACCESS_KEY",)),
    )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return DigitalOcean(_Api(base, headers), retries, spaces)


def _passing(status: int) -> bool:
    return status == 429 or (status >= 500 and status != 501)
