"""HTTPS towards one agent: what it answers, and whether what it refuses is worth another try."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from infra.mtls import Access, session

REQUEST_TIMEOUT_S = (1.0, 10.0)
"""Seconds that a connection and then an answer may take; a machine that still boots takes no connection."""

POLL_INTERVAL_S = 0.5
"""Seconds between two tries."""

T = TypeVar("T")


class AgentError(Exception):
    """An agent refused, or does not answer; the message names agent and cause, and holds no secret."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP; 0 where there was no answer."""

    @property
    def is_transient(self) -> bool:
        """Whether it may be otherwise soon: there is no leader yet, or the agent only starts."""
        return self.status == 0 or self.status == 429 or self.status >= 500

    @property
    def is_not_found(self) -> bool:
        """Whether there is nothing of that name. Consul forbids to look at a token that is not there, and Nomad to delete it."""
        said = {403: "does not exist", 400: "nonexistent"}.get(self.status)
        return self.status == 404 or (said is not None and said in str(self))


class AgentApi:
    """What Consul's API and Nomad's have in common. Every call raises ``AgentError``."""

    def __init__(
        self,
        kind: str,
        url: str,
        access: Access,
        headers: Mapping[str, str],
        asking: tuple[float, float],
    ) -> None:
        self.kind = kind
        self.where = f"{kind} at {url}"
        self._url = url
        self._session = session(access, headers)
        self._asking = asking

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON; None where it has no content."""
        try:
            answer = self._session.request(
                method, self._url + path, json=body, timeout=self._asking
            )
        except requests.RequestException as silent:
            raise AgentError(f"{self.where} ({_cause(silent)})") from silent
        if not answer.ok:
            raise AgentError(
                f"{self.where} ({answer.status_code}: {answer.text.strip()[:200]})",
                answer.status_code,
            )
        return answer.json() if answer.content.strip() else None

    def found(self, path: str) -> Any:
        """The answer's JSON; None where there is nothing of that name."""
        try:
            return self.ask("GET", path)
        except AgentError as refused:
            if refused.is_not_found:
                return None
            raise

    def remove(self, path: str) -> None:
        """Remove what may be gone already."""
        try:
            self.ask("DELETE", path)
        except AgentError as refused:
            if not refused.is_not_found:
                raise


def _cause(silent: BaseException) -> str:
    """The kind of failure; of TLS also what was wrong, which tells a wrong name from a wrong authority."""
    return next(
        (str(link) for link in _chain(silent) if isinstance(link, ssl.SSLError)),
        type(silent).__name__,
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


@dataclass
class Retrier:
    """Tries again until a common deadline what an agent cannot do yet, and tells on standard output why it waits."""

    seconds: float
    start: float = field(default_factory=time.monotonic)

    def until(self, what: str, action: Callable[[], T]) -> T:
        """The result of ``action`` when it has one.

        Args:
            what: is going on, in words, for who looks on.

        Raises:
            AgentError: refused for good, or still not possible when the time is over.
        """
        told = ""
        while True:
            try:
                return action()
            except AgentError as error:
                passed = time.monotonic() - self.start
                if not error.is_transient or passed > self.seconds:
                    raise AgentError(f"{what}: {error}", error.status) from error
                if str(error) != told:
                    told = str(error)
                    print(f"{passed:.0f} s: {what}: {told}", flush=True)
            time.sleep(POLL_INTERVAL_S)
