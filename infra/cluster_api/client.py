"""HTTPS requests to a Consul or Nomad server, and their repetition until a deadline."""

import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import requests
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from infra.mtls import Access, session

Timeout = tuple[float, float]
"""Seconds for the connection, and then for the response."""

REQUEST_TIMEOUT_S: Timeout = (1.0, 10.0)
"""The connection timeout is short, because a machine that still boots drops packets."""

POLL_INTERVAL_S = 0.5

NO_LEADER = "No cluster leader"
"""Part of the response of a Consul or Nomad server that cannot pass a request to the leader."""

T = TypeVar("T")


class AgentError(Exception):
    """A request failed. The message names the agent and the cause, and contains no secret."""

    def __init__(self, message: str, status: int = 0, *, is_repeatable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0 without a response."""
        self.is_repeatable = is_repeatable
        """Whether no server can have done what it was sent."""

    @property
    def is_transient(self) -> bool:
        """Whether a later request may succeed: there is no leader yet, or the agent starts."""
        return self.status == 0 or self.status == 429 or self.status >= 500

    @property
    def is_not_found(self) -> bool:
        """Whether the object does not exist.

        For a missing token, Consul responds with 403 to a read, and Nomad with 400 to a deletion.
        """
        reason = {403: "does not exist", 400: "nonexistent"}.get(self.status)
        return self.status == 404 or (reason is not None and reason in str(self))


class AgentApi:
    """What the clients of Consul and Nomad have in common. Every request raises ``AgentError``."""

    def __init__(
        self,
        kind: str,
        urls: Sequence[str],
        access: Access,
        headers: Mapping[str, str],
        timeout_s: Timeout,
        retry_s: float,
    ) -> None:
        """Args:
        urls: servers, in the order in which they are tried.
        retry_s: time for which a request that no server can answer is repeated.
        """
        self.kind = kind
        self._urls = list(urls)
        self._session = session(access, headers)
        self._timeout_s = timeout_s
        self._retry_s = retry_s

    @property
    def location(self) -> str:
        """Program and URL of the server that gets the next request."""
        return f"{self.kind} at {self._urls[0]}"

    def request(
        self, method: str, path: str, body: object = None, accept: Collection[int] = ()
    ) -> Any:
        """Return the JSON of the response; None if it has no content.

        Args:
            accept: HTTP statuses besides those of success that have a JSON response.
        """
        response = self._send(method, path, body)
        if not response.ok and response.status_code not in accept:
            raise self._refusal(response)
        return response.json() if response.content.strip() else None

    def has_leader(self) -> bool:
        return bool(self.request("GET", "/v1/status/leader"))

    def own_accessor_id(self) -> str:
        return str(self.request("GET", "/v1/acl/token/self")["AccessorID"])

    def download(self, path: str) -> bytes:
        """Return the content of the response."""
        response = self._send("GET", path, None)
        if not response.ok:
            raise self._refusal(response)
        return response.content

    def upload(self, path: str, content: bytes) -> None:
        """Replace what is at ``path`` by ``content``."""
        response = self._send("PUT", path, content)
        if not response.ok:
            raise self._refusal(response)

    def _send(self, method: str, path: str, body: object) -> requests.Response:
        """Send a request to the server that answered last, or to the first one that can answer.

        A server that fails gets the next request last. This request is sent to another server only
        if it may be repeated.
        """
        end = time.monotonic() + self._retry_s
        while True:
            try:
                return self._send_once(method, path, body)
            except AgentError as error:
                if not error.is_repeatable or time.monotonic() > end:
                    raise
            time.sleep(POLL_INTERVAL_S)

    def _send_once(self, method: str, path: str, body: object) -> requests.Response:
        errors: list[AgentError] = []
        may_have_changed = False
        for _ in range(len(self._urls)):
            try:
                response = self._session.request(
                    method,
                    self._urls[0] + path,
                    **({"data": body} if isinstance(body, bytes) else {"json": body}),
                    timeout=self._timeout_s,
                )
                if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return response
                errors.append(self._refusal(response))
                may_have_changed = NO_LEADER not in response.text
            except requests.RequestException as error:
                errors.append(AgentError(f"{self.location} ({_cause(error)})"))
                may_have_changed = _may_have_arrived(error)
            self._urls.append(self._urls.pop(0))
            if method != "GET" and may_have_changed:
                break
        if not errors:
            raise AgentError(f"{self.kind} has no known server")
        raise AgentError(
            "; ".join(map(str, errors)),
            max(error.status for error in errors),
            is_repeatable=method == "GET" or not may_have_changed,
        )

    def _refusal(self, response: requests.Response) -> AgentError:
        return AgentError(
            f"{self.location} ({response.status_code}: {response.text.strip()[:200]})",
            response.status_code,
        )

    def find(self, path: str) -> Any:
        """Return the JSON of an object; None if it does not exist."""
        try:
            return self.request("GET", path)
        except AgentError as error:
            if error.is_not_found:
                return None
            raise

    def delete(self, path: str) -> None:
        """Delete an object, unless it is already deleted."""
        try:
            self.request("DELETE", path)
        except AgentError as error:
            if not error.is_not_found:
                raise


def _cause(error: BaseException) -> str:
    """Return the type of an error.

    For a TLS error, return its text, which tells a wrong name from a wrong authority.
    """
    return next(
        (str(link) for link in _chain(error) if isinstance(link, ssl.SSLError)),
        type(error).__name__,
    )


def _may_have_arrived(error: requests.RequestException) -> bool:
    """Whether the request failed after the connection was established."""
    return isinstance(error, requests.ReadTimeout) or any(
        isinstance(link, ProtocolError | ReadTimeoutError) for link in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


@dataclass
class Retrier:
    """Repeats actions that fail with a transient ``AgentError``, until one common deadline."""

    timeout_s: float
    start: float = field(default_factory=time.monotonic)

    def run(self, description: str, action: Callable[[], T]) -> T:
        """Return the result of ``action``; print every new reason to wait.

        Args:
            description: names the action in progress lines and errors.

        Raises:
            AgentError: the error is not transient, or the time is over.
        """
        last_reason = ""
        while True:
            try:
                return action()
            except AgentError as error:
                elapsed = time.monotonic() - self.start
                if not error.is_transient or elapsed > self.timeout_s:
                    raise AgentError(f"{description}: {error}", error.status) from error
                if str(error) != last_reason:
                    last_reason = str(error)
                    print(f"{elapsed:.0f} s: {description}: {last_reason}", flush=True)
            time.sleep(POLL_INTERVAL_S)
