"""The life of a service: it answers, tells its health, and leaves without losing a request."""

from services.serving.authorizer import Authorizer
from services.serving.http_service import Serving
from services.serving.identity import Identity
from services.serving.reply import Reply

__all__ = ["Authorizer", "Identity", "Reply", "Serving"]
