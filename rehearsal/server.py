"""The server of a cloud's API: its application, its start and stop, and its error responses."""

import asyncio
import gc
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from rehearsal.api import certificate_authority, secrets_service, unsupported
from rehearsal.api.auth import AuthMiddleware, Startup
from rehearsal.api.bodies import BodyLimit
from rehearsal.api.cloud import Cloud, Clouds
from rehearsal.config import CloudConfig
from rehearsal.errors import ApiError, from_http, from_validation, not_found
from rehearsal.limits import DIGITALOCEAN_LIMITS, RateLimits
from rehearsal.machines.memory import MemoryMachines
from rehearsal.resources import image_deletion
from rehearsal.resources.account import routes as account
from rehearsal.resources.actions import routes as actions
from rehearsal.resources.certificates import routes as certificates
from rehearsal.resources.certificates import service as certificate_service
from rehearsal.resources.domains import routes as domains
from rehearsal.resources.droplet_actions import handlers as droplet_action_handlers
from rehearsal.resources.droplet_actions import routes as droplet_actions
from rehearsal.resources.droplets import routes as droplets
from rehearsal.resources.droplets import service as droplet_service
from rehearsal.resources.firewalls import routes as firewalls
from rehearsal.resources.image_actions import routes as image_actions
from rehearsal.resources.image_actions import service as image_action_service
from rehearsal.resources.images import routes as images
from rehearsal.resources.images import service as image_service
from rehearsal.resources.load_balancers import routes as load_balancers
from rehearsal.resources.load_balancers import service as load_balancer_service
from rehearsal.resources.projects import routes as projects
from rehearsal.resources.regions import routes as regions
from rehearsal.resources.reserved_ips import routes as reserved_ips
from rehearsal.resources.reserved_ips import service as reserved_ip_service
from rehearsal.resources.sizes import routes as sizes
from rehearsal.resources.snapshots import routes as snapshots
from rehearsal.resources.spaces_keys import routes as spaces_keys
from rehearsal.resources.spaces_keys import service as spaces_key_service
from rehearsal.resources.ssh_keys import routes as ssh_keys
from rehearsal.resources.tags import routes as tags
from rehearsal.resources.vpcs import routes as vpcs
from rehearsal.state.accounts import Accounts
from rehearsal.state.store import Database, DatabaseFormatError
from rehearsal.topology.protocol import MachineError, Machines

log = logging.getLogger("rehearsal")

ROUTE_MODULES = [
    account,
    actions,
    certificates,
    domains,
    droplet_actions,
    snapshots,
    firewalls,
    droplets,
    image_actions,
    images,
    ssh_keys,
    load_balancers,
    projects,
    regions,
    reserved_ips,
    sizes,
    spaces_keys,
    tags,
    vpcs,
]

METHOD_NOT_ALLOWED = 405

SHUTDOWN_TIMEOUT_S = 5
"""For requests that are in progress when the API stops."""


class Api:
    """The API of one cloud, as an ASGI application."""

    def __init__(
        self, config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
    ) -> None:
        self._config = config
        self._machines = machines
        self._startup = Startup()
        self._accounts = Accounts(config)
        app = FastAPI(lifespan=self._lifespan, openapi_url=None, redirect_slashes=False)
        app.add_api_route("/_rehearsal/health", self._health, methods=["GET"])
        app.include_router(
            secrets_service.router(secrets_service.key(config.directory), config.token),
            prefix="/_rehearsal",
        )
        app.include_router(certificate_authority.router(config), prefix="/_rehearsal")
        for module in ROUTE_MODULES:
            app.include_router(module.router)
        app.add_exception_handler(ApiError, _api_error_response)
        app.add_exception_handler(RequestValidationError, _validation_error_response)
        app.add_exception_handler(HTTPException, _http_error_response)
        app.add_exception_handler(MachineError, _machine_error_response)
        app.add_exception_handler(sqlite3.OperationalError, _storage_error_response)
        app.add_exception_handler(Exception, _unexpected_error_response)
        self.app = AuthMiddleware(BodyLimit(app), self._accounts, limits, self._startup)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        try:
            database = Database(self._config.directory / "cloud.db")
        except DatabaseFormatError as error:
            self._startup.finish(str(error))
            yield
            return
        clouds = Clouds(self._config, self._accounts, database, self._machines, _prepare)
        app.state.clouds = clouds
        starting = asyncio.create_task(self._start_clouds(clouds))
        yield
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await asyncio.gather(*(cloud.worker.stop() for cloud in clouds))
        database.close()

    async def _start_clouds(self, clouds: Clouds) -> None:
        """Start the machines and the network, then resume unfinished changes of all accounts."""
        try:
            resumable = list(clouds)
            await self._machines.start()
            await clouds.network.reconcile()
        except Exception as error:
            log.exception("the cloud cannot start")
            self._startup.finish(str(error) or repr(error))
            return
        for cloud in resumable:
            cloud.worker.resume()
            droplet_service.resume(cloud)
            load_balancer_service.resume(cloud)
            certificate_service.resume(cloud)
            spaces_key_service.resume(cloud)
        self._startup.finish()

    async def _health(self) -> JSONResponse:
        """Report whether the cloud has started, or why it cannot."""
        is_ready, failure = self._startup.succeeded, self._startup.failure
        return JSONResponse(
            {"ready": is_ready} | ({"error": failure} if failure else {}),
            status_code=200 if is_ready else 503,
        )


def _prepare(cloud: Cloud) -> None:
    """Prepare an account's cloud for its first request."""
    image_service.add_stock_images(cloud)
    for module in (
        droplet_service,
        droplet_action_handlers,
        image_action_service,
        reserved_ip_service,
        image_deletion,
    ):
        module.register_handlers(cloud)


def serve(config: CloudConfig, limits: RateLimits = DIGITALOCEAN_LIMITS) -> None:
    """Serve a cloud's API until SIGTERM. The machines keep running.

    Raises:
        OSError: the port is in use.
    """
    # asyncio sets TCP_NODELAY, which saves 40 ms for each response, only if the protocol is given.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", config.port))
        _log_to_file(config)
        api = Api(config, _machines(config), limits)
        settings = uvicorn.Config(
            api.app,
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,  # pagination links use the request's own host
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        )
        # A full garbage collection takes tens of milliseconds, and there are few cycles to collect.
        gc.freeze()
        gc.set_threshold(100_000, 50, 1000)
        asyncio.run(uvicorn.Server(settings).serve(sockets=[listener]))


def _machines(config: CloudConfig) -> Machines:
    if config.machines == "memory":
        return MemoryMachines(config)
    from rehearsal.machines.nspawn import NspawnMachines

    return NspawnMachines(config)


def _log_to_file(config: CloudConfig) -> None:
    """Log requests and failures of machines to ``api.log``, without tokens and bodies."""
    handler = logging.FileHandler(config.directory / "api.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


async def _api_error_response(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    body = {
        "id": error.id,
        "message": error.message,
        "request_id": getattr(request.state, "request_id", ""),
    }
    return JSONResponse(body, status_code=error.status)


async def _validation_error_response(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return await _api_error_response(request, _unsupported_error(request) or from_validation(error))


async def _http_error_response(request: Request, error: Exception) -> JSONResponse:
    """Respond to an unknown path, an unknown method or an unreadable body."""
    assert isinstance(error, HTTPException)
    api_error = _unsupported_error(request) or from_http(error.status_code)
    response = await _api_error_response(request, api_error)
    if api_error.status == METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(sorted(_methods(request.url.path)))
    return response


def _methods(path: str) -> set[str]:
    """Return the methods of all routes of a path. FastAPI only has those of the first route."""
    routes = (
        route
        for module in ROUTE_MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute) and route.path_regex.match(path)
    )
    return {method for route in routes for method in route.methods or ()}


def _unsupported_error(request: Request) -> ApiError | None:
    """Return the error of an unsupported operation, whose path may have no route."""
    message = unsupported.error_message(request.method, request.url.path)
    return not_found(message) if message else None


async def _machine_error_response(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await _api_error_response(
        request, ApiError(500, "server_error", f"The rehearsal's network failed: {error}")
    )


async def _storage_error_response(request: Request, error: Exception) -> JSONResponse:
    """Respond to a write that failed, for example because the disk is full. It is rolled back."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await _api_error_response(
        request,
        ApiError(500, "server_error", f"The rehearsal cloud cannot store anything: {error}."),
    )


async def _unexpected_error_response(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return await _api_error_response(
        request, ApiError(500, "server_error", "Unexpected server-side error")
    )
