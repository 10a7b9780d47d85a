"""Answers frontserve, and whom else Consul's intentions allow, with the greeting in ``BACKSERVE_GREETING``; without one it
is unhealthy."""

import os
import sys

from services.connect import Agent, Mesh
from services.serving import Authorizer, Identity, Reply, Serving


def build() -> Serving:
    """The service, from its environment."""
    identity = Identity.of("backserve")
    greeting = os.environ.get("BACKSERVE_GREETING", "")
    mesh = Mesh("backserve", Agent.of_environment())

    async def answer() -> Reply:
        return Reply(200, {**identity.as_dict(), "message": greeting})

    def health_problem() -> str | None:
        return (
            mesh.health_problem()
            if greeting
            else "BACKSERVE_GREETING is empty: there is nothing to answer with"
        )

    return Serving(answer, health_problem, mesh.run, Authorizer(mesh.server, mesh.admits))


def main() -> None:
    sys.exit(build().run())
