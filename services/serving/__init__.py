"""The HTTP server of every service: replies, health, and a shutdown that loses no request."""

from services.serving.authorizer import Authorizer
from services.serving.http_service import HttpService
from services.serving.instance import Instance
from services.serving.reply import Reply

__all__ = ["Authorizer", "HttpService", "Instance", "Reply"]
