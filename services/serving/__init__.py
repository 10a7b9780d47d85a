"""The life of a service: it answers, tells its health, and leaves without losing a request."""

from services.serving.identity import Identity
from services.serving.serving import Reply, Serving

__all__ = ["Identity", "Reply", "Serving"]
