"""Replies to frontserve with the greeting in ``BACKSERVE_GREETING``.

Consul's intentions decide which services may call it. Without a greeting it is unhealthy.
"""

import os
import sys

from services.connect import Agent, Mesh
from services.serving import Authorizer, HttpService, Instance, Reply


def build() -> HttpService:
    """Return the service, configured from environment variables."""
    instance = Instance.from_environment("backserve")
    greeting = os.environ.get("BACKSERVE_GREETING", "")
    mesh = Mesh("backserve", Agent.from_environment())

    async def reply() -> Reply:
        return Reply(200, {**instance.as_dict(), "message": greeting})

    def health_problem() -> str | None:
        if not greeting:
            return "BACKSERVE_GREETING is empty: set a greeting"
        return mesh.health_problem()

    return HttpService(
        reply, health_problem, mesh.run, Authorizer(mesh.server_context, mesh.is_authorized)
    )


def main() -> None:
    sys.exit(build().run())
