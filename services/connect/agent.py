"""The HTTP API of this node's Consul agent, asked with the workload's own token."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

CONSUL_HTTP_ADDR = "127.0.0.1:8500"
WAIT = 10
"""Seconds that Consul holds a question whose answer has not changed."""
TIMEOUT = 10.0
"""Seconds for an answer; beyond ``WAIT`` where Consul may hold the question."""


class AgentError(Exception):
    """The agent did not do what was asked; the message tells why."""


@dataclass(frozen=True)
class Answer:
    """What the agent answered."""

    body: Any
    index: int
    """With which to wait for the next one; 0 for what can be had at once."""


class Agent:
    """The agent at ``address``; the token is read from ``token_file`` for each question, as Nomad renews it."""

    def __init__(self, address: str, token_file: str = "") -> None:
        self._token_file = token_file
        # Plain HTTP on loopback: a context that trusts nobody spares reading the CA certificates.
        self._client = httpx.AsyncClient(
            base_url=address if "://" in address else f"http://{address}",
            timeout=TIMEOUT,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
        )

    @classmethod
    def of_environment(cls) -> "Agent":
        """The agent of Consul's own settings ``CONSUL_HTTP_ADDR`` and ``CONSUL_HTTP_TOKEN_FILE``; without the second, no token."""
        return cls(
            os.environ.get("CONSUL_HTTP_ADDR", CONSUL_HTTP_ADDR),
            os.environ.get("CONSUL_HTTP_TOKEN_FILE", ""),
        )

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """One question; ``timeout`` in seconds is for each part of it.

        Raises:
            AgentError: no token, no answer, or one that is an error.
        """
        headers = {"X-Consul-Token": self._token()} if self._token_file else {}
        try:
            response = await self._client.request(
                method, path, params=query, json=body, headers=headers, timeout=timeout
            )
            if response.is_success:
                return Answer(response.json(), int(response.headers.get("X-Consul-Index", 0)))
        except (httpx.HTTPError, ValueError) as error:
            raise AgentError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        raise AgentError(f"{method} {path}: {response.status_code} {response.text.strip()}")

    async def wait(self, path: str, index: int, query: Mapping[str, Any] | None = None) -> Answer:
        """What ``path`` tells now; with the ``index`` of an answer, as soon as there is another one, after ``WAIT`` seconds at most.

        Raises:
            AgentError: as for ``ask``.
        """
        answer = await self.ask(
            "GET",
            path,
            {**(query or {}), "index": index, "wait": f"{WAIT}s"},
            timeout=WAIT + TIMEOUT,
        )
        # An index that goes back means that Consul's state was made anew: waiting for the old one would take for ever.
        return answer if answer.index >= index else replace(answer, index=0)

    def _token(self) -> str:
        try:
            token = Path(self._token_file).read_text().strip()
        except (OSError, ValueError) as error:
            raise AgentError(f"the token cannot be read: {error}") from error
        if not token:
            raise AgentError(f"the token cannot be read: {self._token_file} is empty")
        return token
