"""The life of a service: it answers, tells its health, and leaves without losing a request."""

from services.serving.gate import Authorizer
from services.serving.identity import Identity
from services.serving.reply import Reply
from services.serving.serving import Serving

__all__ = ["Authorizer", "Identity", "Reply", "Serving"]
