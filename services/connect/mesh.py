"""A member of the service mesh: follows its certificate and the roots, and authorises peers."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from services.connect.agent import Agent, AgentError, follow
from services.connect.certificates import (
    Leaf,
    PeerCertificate,
    ReplaceableContext,
    Roots,
    serial_number,
    service_name,
    spiffe_id,
    tls_context,
)
from services.serving.log import log

AUTHORIZE_TIMEOUT_S = 1.0
"""Shorter than the 2 s after which frontserve tries the next instance."""


class Mesh:
    """The mesh from the viewpoint of ``service``.

    While ``run`` runs, new connections use the newest certificate and roots. Established
    connections stay open.
    """

    def __init__(self, service: str, agent: Agent) -> None:
        self._service = service
        self._agent = agent
        self._leaf: Leaf | None = None
        self._roots: Roots | None = None
        self._problem = "the Consul agent has not replied yet"
        self._server = ReplaceableContext(ssl.PROTOCOL_TLS_SERVER)
        self._clients: dict[str, ReplaceableContext] = {}

    @property
    def server_context(self) -> ssl.SSLContext:
        """The context for connections from members of the mesh. ``is_authorized`` decides next."""
        return self._server

    def client_context(self, service: str) -> ssl.SSLContext:
        """Return the context for connections to ``service`` alone. Call it before ``run``."""
        return self._clients.setdefault(service, ReplaceableContext(ssl.PROTOCOL_TLS_CLIENT))

    def health_problem(self) -> str | None:
        """Return why no connection can be made now, or None."""
        if self._leaf is None or self._roots is None:
            return f"{self._service} has no certificate yet: {self._problem}"
        if self._leaf.is_expired():
            expired = f"{self._leaf.expires:%Y-%m-%d %H:%M:%S} UTC"
            return f"the certificate of {self._service} expired at {expired}: {self._problem}"
        return None

    async def is_authorized(self, certificate: PeerCertificate) -> bool:
        """Ask Consul whether the peer with ``certificate`` may connect to this service.

        Without a reply of Consul the peer is not authorized.
        """
        uri, serial = spiffe_id(certificate), serial_number(certificate)
        body = {"Target": self._service, "ClientCertURI": uri, "ClientCertSerial": serial}
        try:
            reply = await self._agent.request(
                "POST", "/v1/agent/connect/authorize", body=body, timeout=AUTHORIZE_TIMEOUT_S
            )
            if reply.body["Authorized"] is True:
                return True
            reason = str(reply.body["Reason"])
            if await self._is_allowed_by_servers(uri):
                return True
        except (AgentError, LookupError, TypeError) as error:
            reason = f"Consul cannot be asked for the authorisation: {error!r}"
        log("warning", "peer refused", peer=uri, serial=serial, reason=reason)
        return False

    async def _is_allowed_by_servers(self, uri: str) -> bool:
        """Ask Consul's servers whether an intention allows the peer.

        The agent caches the intentions. Its cache is wrong for minutes after it has read them from
        a server that had just joined and had no data yet.
        """
        query = {"source": service_name(uri), "destination": self._service}
        reply = await self._agent.request(
            "GET", "/v1/connect/intentions/check", query, timeout=AUTHORIZE_TIMEOUT_S
        )
        return reply.body["Allowed"] is True

    async def run(self) -> None:
        """Follow the certificate and the roots for ever."""

        def use_roots(body: Any) -> None:
            self._use(self._leaf, Roots.from_api(body))

        def use_leaf(body: Any) -> None:
            self._use(Leaf.from_api(body), self._roots)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow("/v1/agent/connect/ca/roots", use_roots))
            tasks.create_task(self._follow(f"/v1/agent/connect/ca/leaf/{self._service}", use_leaf))

    async def _follow(self, path: str, use: Callable[[Any], None]) -> None:
        logged_problem = ""

        async def read(index: int) -> int:
            nonlocal logged_problem
            reply = await self._agent.blocking_query(path, index)
            try:
                use(reply.body)
            except (LookupError, TypeError, ValueError, ssl.SSLError) as error:
                raise AgentError(f"GET {path}: the reply cannot be used: {error!r}") from error
            # A query without an index does not clear the problem: while the agent has no server
            # it answers such a query from its cache.
            if index:
                logged_problem = ""
            return reply.index

        def on_error(error: AgentError) -> None:
            nonlocal logged_problem
            self._problem = str(error)
            if logged_problem != self._problem:  # not one line for each retry
                log("warning", "certificates not read", path=path, error=repr(error))
            logged_problem = self._problem

        await follow(read, on_error)

    def _use(self, leaf: Leaf | None, roots: Roots | None) -> None:
        """Use ``leaf`` and ``roots`` for new connections, once both are known.

        Raises:
            ssl.SSLError: they cannot be used; the previous ones stay in use.
        """
        if (leaf, roots) == (self._leaf, self._roots):
            return
        if leaf is not None and roots is not None:
            server = tls_context(ssl.PROTOCOL_TLS_SERVER, leaf, roots)
            clients = {
                service: tls_context(ssl.PROTOCOL_TLS_CLIENT, leaf, roots, service)
                for service in self._clients
            }
            self._server.current = server
            for service, client in clients.items():
                self._clients[service].current = client
            log(
                "info",
                "certificates replaced",
                service=self._service,
                expires=leaf.expires,
                roots=len(roots.certificates),
            )
        self._leaf, self._roots = leaf, roots
