"""The API: rooms behind one door, over one store and one kind of machines."""

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
from rehearsal.resources.certificates import service as certificate_rules
from rehearsal.resources.domains import routes as domains
from rehearsal.resources.droplet_actions import handlers as droplet_steps
from rehearsal.resources.droplet_actions import routes as droplet_actions
from rehearsal.resources.droplets import routes as droplets
from rehearsal.resources.droplets import service as droplet_rules
from rehearsal.resources.firewalls import routes as firewalls
from rehearsal.resources.image_actions import routes as image_actions
from rehearsal.resources.image_actions import service as image_action_rules
from rehearsal.resources.images import routes as images
from rehearsal.resources.images import service as image_rules
from rehearsal.resources.keys import routes as keys
from rehearsal.resources.load_balancers import routes as load_balancers
from rehearsal.resources.load_balancers import service as load_balancer_rules
from rehearsal.resources.projects import routes as projects
from rehearsal.resources.regions import routes as regions
from rehearsal.resources.reserved_ips import routes as reserved_ips
from rehearsal.resources.reserved_ips import service as reserved_ip_rules
from rehearsal.resources.sizes import routes as sizes
from rehearsal.resources.snapshots import routes as snapshots
from rehearsal.resources.spaces_keys import routes as spaces_keys
from rehearsal.resources.spaces_keys import service as spaces_key_rules
from rehearsal.resources.tags import routes as tags
from rehearsal.resources.vpcs import routes as vpcs
from rehearsal.state.accounts import Accounts
from rehearsal.state.store import Database
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
    keys,
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

STOP_SECONDS = 5
"""How long requests in flight may take when the API is told to end."""


class Api:
    """One cloud's API as an ASGI application."""

    def __init__(
        self, config: CloudConfig, machines: Machines, limits: RateLimits = DIGITALOCEAN_LIMITS
    ) -> None:
        self._config = config
        self._machines = machines
        self._progress = Startup()
        self._accounts = Accounts(config)
        app = FastAPI(lifespan=self._live, openapi_url=None, redirect_slashes=False)
        app.add_api_route("/_rehearsal/health", self._health, methods=["GET"])
        app.include_router(
            secrets_service.router(secrets_service.key(config.directory), config.token),
            prefix="/_rehearsal",
        )
        app.include_router(certificate_authority.router(config), prefix="/_rehearsal")
        for room in ROUTE_MODULES:
            app.include_router(room.router)
        app.add_exception_handler(ApiError, _answer_refusal)
        app.add_exception_handler(RequestValidationError, _answer_invalid)
        app.add_exception_handler(HTTPException, _answer_http)
        app.add_exception_handler(MachineError, _answer_machine)
        app.add_exception_handler(sqlite3.OperationalError, _answer_full)
        app.add_exception_handler(Exception, _answer_bug)
        self.app = AuthMiddleware(BodyLimit(app), self._accounts, limits, self._progress)

    @asynccontextmanager
    async def _live(self, app: FastAPI) -> AsyncIterator[None]:
        database = Database(self._config.directory / "cloud.db")
        clouds = Clouds(self._config, self._accounts, database, self._machines, _prepare)
        app.state.clouds = clouds
        starting = asyncio.create_task(self._start(clouds))
        yield
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await asyncio.gather(*(cloud.worker.stop() for cloud in clouds))
        database.close()

    async def _start(self, clouds: Clouds) -> None:
        """Find machines and network again, then take up what was in progress, of every account."""
        try:
            ready = list(clouds)
            await self._machines.start()
            await clouds.network.reconcile()
        except Exception as error:
            log.exception("the cloud does not start")
            self._progress.end(str(error) or repr(error))
            return
        for cloud in ready:
            cloud.worker.resume()
            droplet_rules.resume(cloud)
            load_balancer_rules.resume(cloud)
            certificate_rules.resume(cloud)
            spaces_key_rules.resume(cloud)
        self._progress.end()

    async def _health(self) -> JSONResponse:
        """Whether the machines have started; with the reason if they never will."""
        ready, failure = self._progress.succeeded, self._progress.failure
        return JSONResponse(
            {"ready": ready} | ({"error": failure} if failure else {}),
            status_code=200 if ready else 503,
        )


def _prepare(cloud: Cloud) -> None:
    """What an account's cloud needs before its first request."""
    image_rules.add_stock_images(cloud)
    for room in (
        droplet_rules,
        droplet_steps,
        image_action_rules,
        reserved_ip_rules,
        image_deletion,
    ):
        room.register_handlers(cloud)


def serve(config: CloudConfig, limits: RateLimits = DIGITALOCEAN_LIMITS) -> None:
    """Serve a cloud's API until SIGTERM; its machines outlive it.

    Raises:
        OSError: something listens on the port already
    """
    with socket.socket(
        proto=socket.IPPROTO_TCP
    ) as listener:  # named, or asyncio leaves Nagle's 40 ms in every answer
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", config.port))
        _log_to_file(config)
        api = Api(config, _machines(config), limits)
        settings = uvicorn.Config(
            api.app,
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,  # links follow the request, and not what a client says of somebody before it
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        # Collections of all that was ever made would hold up answers for tens of milliseconds; nothing here makes cycles in numbers.
        gc.freeze()
        gc.set_threshold(100_000, 50, 1000)
        asyncio.run(uvicorn.Server(settings).serve(sockets=[listener]))


def _machines(config: CloudConfig) -> Machines:
    if config.machines == "memory":
        return MemoryMachines(config)
    from rehearsal.machines.nspawn import NspawnMachines

    return NspawnMachines(config)


def _log_to_file(config: CloudConfig) -> None:
    """One line a request and the failures of machines; never a token or a body."""
    handler = logging.FileHandler(config.directory / "api.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    body = {
        "id": error.id,
        "message": error.message,
        "request_id": getattr(request.state, "request_id", ""),
    }
    return JSONResponse(body, status_code=error.status)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return await _answer_refusal(request, _left_out(request) or from_validation(error))


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    """A path without a room, a method that its room lacks, or a body that cannot be read."""
    assert isinstance(error, HTTPException)
    refusal = _left_out(request) or from_http(error.status_code)
    answer = await _answer_refusal(request, refusal)
    if refusal.status == METHOD_NOT_ALLOWED:
        answer.headers["allow"] = ", ".join(sorted(_methods(request.url.path)))
    return answer


def _methods(path: str) -> set[str]:
    """All that any room has for a path; the framework would tell those of the first that knows it."""
    routes = (
        route
        for room in ROUTE_MODULES
        for route in room.router.routes
        if isinstance(route, APIRoute) and route.path_regex.match(path)
    )
    return {method for route in routes for method in route.methods or ()}


def _left_out(request: Request) -> ApiError | None:
    """The refusal of what the table says is left out: not even its path need be one that a room knows."""
    message = unsupported.refusal(request.method, request.url.path)
    return not_found(message) if message else None


async def _answer_machine(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await _answer_refusal(
        request, ApiError(500, "server_error", f"The rehearsal's network failed: {error}")
    )


async def _answer_full(request: Request, error: Exception) -> JSONResponse:
    """Nothing of the request was kept."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await _answer_refusal(
        request,
        ApiError(500, "server_error", f"The rehearsal cloud cannot store anything: {error}."),
    )


async def _answer_bug(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return await _answer_refusal(
        request, ApiError(500, "server_error", "Unexpected server-side error")
    )
