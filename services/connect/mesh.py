"""A member of the mesh: follows its certificate and the roots, and asks who may speak to it."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from services.connect.agent import Agent, AgentError
from services.connect.certificates import (
    Certificate,
    Latest,
    Leaf,
    Roots,
    context,
    identity,
    serial,
)
from services.serving.log import log

RETRY = 1.0
"""Seconds until what failed is asked again."""
AUTHORIZE_TIMEOUT = 1.0
"""Seconds for an authorisation: below the 2 s after which frontserve passes over the instance."""


class Mesh:
    """The mesh as ``service`` sees it. ``run`` keeps its contexts up to date: new connections take the newest certificate
    and roots, established ones live on."""

    def __init__(self, service: str, agent: Agent) -> None:
        self._service = service
        self._agent = agent
        self._leaf: Leaf | None = None
        self._roots: Roots | None = None
        self._problem = "the Consul agent was not asked yet"
        self._server = Latest(ssl.PROTOCOL_TLS_SERVER)
        self._clients: dict[str, Latest] = {}

    @property
    def server(self) -> ssl.SSLContext:
        """For connections from any member of the mesh; whether it may come in is what ``admits`` tells."""
        return self._server

    def client(self, service: str) -> ssl.SSLContext:
        """For connections to ``service``, and to nobody else; to be had before ``run``."""
        return self._clients.setdefault(service, Latest(ssl.PROTOCOL_TLS_CLIENT))

    def health_problem(self) -> str | None:
        """Why no connection can be made now, or None."""
        if self._leaf is None or self._roots is None:
            return f"{self._service} has no certificate yet: {self._problem}"
        if self._leaf.expired():
            return f"the certificate of {self._service} expired at {self._leaf.expires:%Y-%m-%d %H:%M:%S} UTC: {self._problem}"
        return None

    async def admits(self, certificate: Certificate) -> bool:
        """Whether the peer with ``certificate`` may speak to this service. Consul is asked each time; without its answer, nobody may."""
        peer = {"ClientCertURI": identity(certificate), "ClientCertSerial": serial(certificate)}
        try:
            body = {"Target": self._service, **peer}
            answer = await self._agent.ask(
                "POST", "/v1/agent/connect/authorize", body=body, timeout=AUTHORIZE_TIMEOUT
            )
            if answer.body["Authorized"] is True:
                return True
            reason = str(answer.body["Reason"])
        except (AgentError, LookupError, TypeError) as error:
            reason = f"the authorisation cannot be asked: {error!r}"
        log(
            "warning",
            "refused",
            peer=peer["ClientCertURI"],
            serial=peer["ClientCertSerial"],
            reason=reason,
        )
        return False

    async def run(self) -> None:
        """Follow the certificate and the roots for ever."""

        def take_roots(answer: Any) -> None:
            self._use(self._leaf, Roots.of(answer))

        def take_leaf(answer: Any) -> None:
            self._use(Leaf.of(answer), self._roots)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow("/v1/agent/connect/ca/roots", take_roots))
            tasks.create_task(self._follow(f"/v1/agent/connect/ca/leaf/{self._service}", take_leaf))

    async def _follow(self, path: str, take: Callable[[Any], None]) -> None:
        index = 0
        problem = ""
        while True:
            try:
                answer = await self._agent.wait(path, index)
                take(answer.body)
            except (AgentError, LookupError, TypeError, ValueError, ssl.SSLError) as error:
                if problem != str(error):  # a line for each second would tell no more
                    log("warning", "certificates not read", path=path, error=repr(error))
                self._problem = problem = str(error)
                index = 0
                await asyncio.sleep(RETRY)
            else:
                if index:  # otherwise the agent may have told what it remembers, as it does while it has no server
                    problem = ""
                index = answer.index

    def _use(self, leaf: Leaf | None, roots: Roots | None) -> None:
        """Take both into use, if both are there and one is new; neither is taken if they cannot be used."""
        if (leaf, roots) == (self._leaf, self._roots):
            return
        if leaf is not None and roots is not None:
            server = context(ssl.PROTOCOL_TLS_SERVER, leaf, roots)
            clients = {
                service: context(ssl.PROTOCOL_TLS_CLIENT, leaf, roots, service)
                for service in self._clients
            }
            self._server.latest = server
            for service, client in clients.items():
                self._clients[service].latest = client
            log(
                "info",
                "certificates taken",
                service=self._service,
                expires=leaf.expires,
                roots=len(roots.certificates),
            )
        self._leaf, self._roots = leaf, roots
