"""Answers with the greeting in ``BACKSERVE_GREETING``; without one it is unhealthy."""

import os
import sys

from services.serving import Identity, Reply, Serving


def build() -> Serving:
    """The service, from its environment."""
    identity = Identity.of("backserve")
    greeting = os.environ.get("BACKSERVE_GREETING", "")

    async def answer() -> Reply:
        return Reply(200, {**identity.as_dict(), "message": greeting})

    def ailment() -> str | None:
        return None if greeting else "BACKSERVE_GREETING is empty: there is nothing to answer with"

    return Serving(answer, ailment)


def main() -> None:
    sys.exit(build().run())
