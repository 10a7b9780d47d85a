"""The gRPC service: the SDK's, with errors told as the engine wants to hear them."""

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


class Telling(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Errors of a stand-in become plain messages, and a partial failure keeps its resource in the state."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        told = _telling(handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(
            told, handler.request_deserializer, handler.response_serializer
        )


def _telling(method: Method) -> Method:
    async def told(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except PartialFailureError as failure:
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                str(failure),
                (("grpc-status-details-bin", _details(failure)),),
            )
        except PluginError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return told


def _details(failure: PartialFailureError) -> Any:
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=failure.resource_id,
            properties=PropertyValue.marshal_map(values.to_engine(failure.state)),
            reasons=[str(failure)],
            inputs=PropertyValue.marshal_map(values.to_engine(failure.inputs)),
        )
    )
    return status.SerializeToString()


def serve(provider: Provider, version: str, engine_address: str) -> NoReturn:
    """Serve until the engine ends this process; the port goes to standard output, as plugins announce it."""

    async def run() -> None:
        server = grpc.aio.server(interceptors=(Telling(),), options=_GRPC_CHANNEL_OPTIONS)
        servicer = ProviderServicer([], version, provider, engine_address)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await ended.wait()
        await server.stop(None)

    asyncio.run(run())
    os._exit(
        0
    )  # A thread that still waits for a service would keep the process; the engine is through with it.
