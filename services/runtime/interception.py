"""Wraps the handlers of our own services; reflection and health pass untouched.

Streaming handlers of this project are coroutines that call `context.write`: a cancel then raises at the very await it hits,
and `finally` runs at once. The OpenTelemetry interceptor for aio breaks on such handlers, hence ours.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

Behaviour = Callable[[Any, aio.ServicerContext[Any, Any]], Awaitable[Any]]
OUR_METHODS = "/pointsman."


class Interceptor(aio.ServerInterceptor):
    """Puts `around` around each call of our services."""

    async def around(self, method: str, call: Behaviour, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        """Runs `call(request, context)`; `method` is `/package.Service/Method`."""
        raise NotImplementedError

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wraps the handler that comes next."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OUR_METHODS):
            return handler
        inner: Behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary  # type: ignore[assignment]

        async def wrapped(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
            return await self.around(method, inner, request, context)

        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(wrapped, _decoder(handler.request_deserializer), handler.response_serializer)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands for a request whose bytes are no message of its type, for example with text that is not UTF-8."""

    reason: str


def _decoder(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """gRPC answers INTERNAL when a decoder raises; the fault is the caller's, so it is handed on and told as such."""
    assert decode is not None

    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError as error:
            return Undecodable(str(error))

    return decoded
