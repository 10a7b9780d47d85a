"""Replies with backserve's reply in its own, or with 503 and the reason if none is available.

``CONSUL_DNS`` is the address and port of Consul's DNS; by default the node's own resolver.
"""

import asyncio
import os
import sys

from services.connect import Agent, Mesh
from services.frontserve.backserve_client import BackserveClient, NoReplyError
from services.frontserve.discovery import Address, find_instances
from services.serving import HttpService, Instance, Reply

CONSUL_DNS = "127.0.0.1:53"


def build() -> HttpService:
    """Return the service, configured from environment variables."""
    instance = Instance.from_environment("frontserve")
    host, _, port = os.environ.get("CONSUL_DNS", CONSUL_DNS).rpartition(":")
    dns_server = Address(host, int(port))

    async def discover() -> list[Address]:
        return await find_instances("backserve", dns_server)

    mesh = Mesh("frontserve", Agent.from_environment())
    backserve = BackserveClient(discover, mesh.client_context("backserve"))

    async def reply() -> Reply:
        try:
            if reason := mesh.health_problem():
                raise NoReplyError(reason)
            return Reply(200, {**instance.as_dict(), "backserve": await backserve.request()})
        except NoReplyError as error:
            return Reply(503, {**instance.as_dict(), "backserve": None, "reason": str(error)})

    async def background() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mesh.run())
            tasks.create_task(backserve.run())

    return HttpService(
        reply, mesh.health_problem, background, readiness_problem=backserve.readiness_problem
    )


def main() -> None:
    sys.exit(build().run())
