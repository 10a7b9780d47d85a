"""A client of the HTTP API of the node's Consul agent, with the workload's own token."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import httpx

CONSUL_HTTP_ADDR = "127.0.0.1:8500"
BLOCKING_QUERY_S = 10
"""How long Consul holds a blocking query whose result does not change."""
REQUEST_TIMEOUT_S = 10.0
"""For a reply. A blocking query may take ``BLOCKING_QUERY_S`` longer."""
RETRY_INTERVAL_S = 1.0
"""Pause after a failed query."""


class AgentError(Exception):
    """The agent did not fulfil a request; the message says why."""


@dataclass(frozen=True)
class AgentReply:
    """A reply of the agent."""

    body: Any
    index: int
    """Consul's index, for the next blocking query; 0 makes that query return at once."""


class Agent:
    """The agent at ``address``.

    Each request reads the token from ``token_file``, because Nomad may replace it.
    """

    def __init__(self, address: str, token_file: str = "") -> None:
        self._token_file = token_file
        # Plain HTTP on loopback. An empty TLS context avoids loading the system's CA certificates.
        self._client = httpx.AsyncClient(
            base_url=address if "://" in address else f"http://{address}",
            timeout=REQUEST_TIMEOUT_S,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
        )

    @classmethod
    def from_environment(cls) -> "Agent":
        """Return the agent that ``CONSUL_HTTP_ADDR`` and ``CONSUL_HTTP_TOKEN_FILE`` name.

        Both are Consul's own variables. Without the second, requests carry no token.
        """
        return cls(
            os.environ.get("CONSUL_HTTP_ADDR", CONSUL_HTTP_ADDR),
            os.environ.get("CONSUL_HTTP_TOKEN_FILE", ""),
        )

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float = REQUEST_TIMEOUT_S,
    ) -> AgentReply:
        """Send one request; ``timeout``, in seconds, limits each of its phases.

        Raises:
            AgentError: the token is missing, the agent does not answer, or it replies with an
                error.
        """
        headers = {"X-Consul-Token": self._read_token()} if self._token_file else {}
        try:
            response = await self._client.request(
                method, path, params=query, json=body, headers=headers, timeout=timeout
            )
            if response.is_success:
                return AgentReply(response.json(), int(response.headers.get("X-Consul-Index", 0)))
        except (httpx.HTTPError, ValueError) as error:
            raise AgentError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        raise AgentError(f"{method} {path}: {response.status_code} {response.text.strip()}")

    async def blocking_query(
        self, path: str, index: int, query: Mapping[str, Any] | None = None
    ) -> AgentReply:
        """Return the reply for ``path`` once it differs from the reply with ``index``.

        It returns after ``BLOCKING_QUERY_S`` seconds at most, and at once if ``index`` is 0.

        Raises:
            AgentError: as for ``request``.
        """
        reply = await self.request(
            "GET",
            path,
            {**(query or {}), "index": index, "wait": f"{BLOCKING_QUERY_S}s"},
            timeout=BLOCKING_QUERY_S + REQUEST_TIMEOUT_S,
        )
        # A lower index means that Consul's state was rebuilt: the old index may never be reached.
        return reply if reply.index >= index else replace(reply, index=0)

    def _read_token(self) -> str:
        try:
            token = Path(self._token_file).read_text().strip()
        except (OSError, ValueError) as error:
            raise AgentError(f"the token cannot be read: {error}") from error
        if not token:
            raise AgentError(f"the token cannot be read: {self._token_file} is empty")
        return token


async def follow(
    read: Callable[[int], Awaitable[int]], on_error: Callable[[AgentError], None]
) -> NoReturn:
    """Call ``read`` for ever, each time with the index that its last call returned.

    ``read`` makes a blocking query. After an ``AgentError`` it starts again from index 0.
    """
    index = 0
    while True:
        try:
            index = await read(index)
        except AgentError as error:
            on_error(error)
            index = 0
            await asyncio.sleep(RETRY_INTERVAL_S)
