"""Watches while it lives; ``/`` tells who it is."""

import sys

from services.connect import Agent
from services.prober.catalog import Catalog
from services.prober.prober import Prober
from services.serving import Identity, Reply, Serving


def build() -> Serving:
    """The service, from its environment."""
    identity = Identity.of("prober")
    prober = Prober(Catalog(Agent.of_environment()))

    async def answer() -> Reply:
        return Reply(200, dict(identity.as_dict()))

    return Serving(answer, prober.health_problem, prober.run)


def main() -> None:
    sys.exit(build().run())
