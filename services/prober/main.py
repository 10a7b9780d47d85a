"""Runs prober; ``/`` replies with the instance."""

import sys

from services.connect import Agent
from services.prober.catalog import Catalog
from services.prober.prober import Prober
from services.serving import HttpService, Instance, Reply


def build() -> HttpService:
    """Return the service, configured from environment variables."""
    instance = Instance.from_environment("prober")
    prober = Prober(Catalog(Agent.from_environment()))

    async def reply() -> Reply:
        return Reply(200, dict(instance.as_dict()))

    return HttpService(reply, prober.health_problem, prober.run)


def main() -> None:
    sys.exit(build().run())
