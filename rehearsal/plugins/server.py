"""The gRPC server: the SDK's provider service, with errors in the engine's format."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.plugins import values
from rehearsal.plugins.errors import PartialFailureError, PluginError

Method = Callable[[Any, Any], Awaitable[Any]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Reports PluginErrors as plain messages and partial failures with their state."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _report_errors(handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )


def _report_errors(method: Method) -> Method:
    async def call_and_report(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except PartialFailureError as error:
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                str(error),
                (("grpc-status-details-bin", _encode_details(error)),),
            )
        except PluginError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return call_and_report


def _encode_details(error: PartialFailureError) -> Any:
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=PropertyValue.marshal_map(values.to_engine(error.state)),
            reasons=[str(error)],
            inputs=PropertyValue.marshal_map(values.to_engine(error.inputs)),
        )
    )
    return status.SerializeToString()


def serve(provider: Provider, version: str, engine_address: str) -> NoReturn:
    """Serve until the engine stops this process. The port is printed, as the engine expects."""

    async def run() -> None:
        server = grpc.aio.server(interceptors=(ErrorInterceptor(),), options=_GRPC_CHANNEL_OPTIONS)
        servicer = ProviderServicer([], version, provider, engine_address)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await stopped.wait()
        await server.stop(None)

    asyncio.run(run())
    # A thread that still waits for a service would keep the process alive.
    os._exit(0)
