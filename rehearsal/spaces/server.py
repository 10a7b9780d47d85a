"""The HTTP server of Spaces."""

import socket
from collections.abc import Callable
from wsgiref.types import WSGIEnvironment

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from rehearsal.config import CloudConfig
from rehearsal.spaces.application import SpacesApplication
from rehearsal.spaces.bucket_store import BucketStore


class RequestHandler(MotoRequestHandler):
    """Passes on the path exactly as it was signed, and logs nothing."""

    def make_environ(self) -> WSGIEnvironment:
        """Add the raw request target: ``http.server`` collapses two leading slashes."""
        return {**super().make_environ(), "RAW_URI": self.requestline.split()[1]}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the path of a presigned request is a credential."""


class SpacesServer(ThreadedWSGIServer):
    """A server that closes the bucket store when it is closed.

    The base class closes itself after serving, and callers may close it again.
    """

    def __init__(self, listener: socket.socket, application: SpacesApplication) -> None:
        # The base constructor calls server_close, which must not close the store.
        self._application: SpacesApplication | None = None
        host, port = listener.getsockname()
        super().__init__(host, port, application, RequestHandler, fd=listener.fileno())
        self._application = application

    def server_close(self) -> None:
        super().server_close()
        application, self._application = self._application, None
        if application is not None:
            application.close()


def create_server(
    config: CloudConfig,
    listener: socket.socket,
    *,
    any_host: bool = False,
    on_bucket: Callable[[str], None] | None = None,
) -> SpacesServer:
    """Return the Spaces server of a cloud on a listening socket.

    Objects are stored in the directory ``spaces`` of the cloud. ``any_host`` serves requests
    under every host name instead of the region endpoints only. ``on_bucket`` gets the name of each
    bucket that a client with a key addresses by path, once.

    Raises:
        BlockingIOError: another process serves the Spaces of this cloud.
    """
    buckets = BucketStore(config.directory / "spaces")
    return SpacesServer(listener, SpacesApplication(config, buckets, any_host, on_bucket))
