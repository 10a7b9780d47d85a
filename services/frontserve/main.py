"""Answers with backserve's reply in its own; 503 with the reason when no backserve is left.

``CONSUL_DNS`` is the address and port of Consul's DNS, the host's own resolver by default.
"""

import os
import sys

from services.connect import Agent, Mesh
from services.frontserve.backserve_client import Backserve, NoAnswerError
from services.frontserve.discovery import Instance, instances
from services.serving import Identity, Reply, Serving

CONSUL_DNS = "127.0.0.1:53"


def build() -> Serving:
    """The service, from its environment."""
    identity = Identity.of("frontserve")
    server, _, port = os.environ.get("CONSUL_DNS", CONSUL_DNS).rpartition(":")

    async def find() -> list[Instance]:
        return await instances("backserve", server, int(port))

    mesh = Mesh("frontserve", Agent.of_environment())
    backserve = Backserve(find, mesh.client("backserve"))

    async def answer() -> Reply:
        try:
            if reason := mesh.health_problem():
                raise NoAnswerError(reason)
            return Reply(200, {**identity.as_dict(), "backserve": await backserve.ask()})
        except NoAnswerError as error:
            return Reply(503, {**identity.as_dict(), "backserve": None, "reason": str(error)})

    return Serving(answer, mesh.health_problem, mesh.run)


def main() -> None:
    sys.exit(build().run())
