"""Wraps the handlers of our own services; reflection and health pass untouched.

Streaming handlers of this project are coroutines that call `context.write`: a cancel then raises at the very await it hits,
and `finally` runs at once. The OpenTelemetry interceptor for aio breaks on such handlers, hence ours.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

if TYPE_CHECKING:  # its parameters exist for the type checker alone
    Handler = grpc.RpcMethodHandler[Any, Any]

Behaviour = Callable[[Any, aio.ServicerContext[Any, Any]], Awaitable[Any]]
OUR_METHODS = "/pointsman."


@dataclass(slots=True)
class SizeLimit:
    """How large an encoded request may be, and the `field` that is at fault when one is larger; `most_bytes` may be set anew.

    Decoding can take thirty times the bytes in memory, and holds up the event loop; it is no place to find out.
    """

    field: str
    most_bytes: int


class Interceptor(aio.ServerInterceptor):
    """Puts `around` around each call of our services."""

    limit: SizeLimit | None = None

    def __init__(self) -> None:
        # gRPC asks anew for each call, and hands in the same handler for a method: wrapped once, it is wrapped for all.
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    @abstractmethod
    async def around(self, method: str, call: Behaviour, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        """Runs `call(request, context)`; `method` is `/package.Service/Method`."""
        ...

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wraps the handler that comes next."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OUR_METHODS):
            return handler
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self._wrap(method, handler))
        return known[1]

    def _wrap(self, method: str, handler: "Handler") -> "Handler":
        inner: Behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary  # type: ignore[assignment]

        async def wrapped(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
            return await self.around(method, inner, request, context)

        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(wrapped, _decoder(method, handler.request_deserializer, self.limit), handler.response_serializer)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands for a request that was not decoded: `field` is at fault, `expected` says what it should be.

    Its bytes are no message of its type, for example with text that is not UTF-8, or too many.
    """

    field: str
    expected: str


def _decoder(method: str, decode: Callable[[bytes], Any] | None, limit: SizeLimit | None) -> Callable[[bytes], Any]:
    """gRPC answers INTERNAL when a decoder raises; the fault is the caller's, so it is handed on and told as such."""
    assert decode is not None

    def decoded(data: bytes) -> Any:
        if limit and len(data) > limit.most_bytes:
            return Undecodable(
                limit.field, f"expected a request of at most {limit.most_bytes} bytes, found {len(data)}"
            )
        try:
            return decode(data)
        except DecodeError as error:
            return Undecodable("(message)", f"expected an encoded request of {method}: {error}")

    return decoded
