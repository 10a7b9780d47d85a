"""Watches while it lives; ``/`` tells who it is. ``CONSUL_HTTP_ADDR`` and ``CONSUL_HTTP_TOKEN`` are Consul's own settings."""

import os
import sys

from services.prober.catalog import Catalog
from services.prober.prober import Prober
from services.serving import Identity, Reply, Serving

CONSUL_HTTP_ADDR = "127.0.0.1:8500"


def build() -> Serving:
    """The service, from its environment."""
    identity = Identity.of("prober")
    address = os.environ.get("CONSUL_HTTP_ADDR", CONSUL_HTTP_ADDR)
    catalog = Catalog(address if "://" in address else f"http://{address}", os.environ.get("CONSUL_HTTP_TOKEN", ""))
    prober = Prober(catalog)

    async def answer() -> Reply:
        return Reply(200, dict(identity.as_dict()))

    return Serving(answer, prober.ailment, prober.run)


def main() -> None:
    sys.exit(build().run())
