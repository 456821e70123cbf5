"""The one place where a raised error becomes a gRPC status."""

import asyncio
import logging
from typing import Any

import grpc
from grpc import aio
from opentelemetry import trace

from pointsman import errors, rpc_status
from services.runtime import tracing
from services.runtime.interception import Behaviour, Interceptor, SizeLimit, Undecodable

logger = logging.getLogger(__name__)


class ErrorInterceptor(Interceptor):
    """Maps the project's errors by their class; anything else is our defect: logged here, told to the caller without details."""

    def __init__(self, limit: SizeLimit | None = None) -> None:
        super().__init__()
        self.limit = limit

    async def around(self, method: str, call: Behaviour, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        """Runs the call and aborts it with the mapped status when it raises."""
        try:
            if isinstance(request, Undecodable):
                raise errors.InvalidRequest.of(request.field, request.expected)
            return await call(request, context)
        except errors.PointsmanError as error:
            await abort(context, error)
        except aio.AbortError:
            raise
        except aio.InternalError as error:
            # A write to a call that is over: the client's cancel has reached the call, but not yet this task.
            raise asyncio.CancelledError from error
        except Exception as error:
            logger.exception("%s failed", method)
            await abort(
                context, errors.InternalError(f"{type(error).__name__} in {method}; the service's log has the details")
            )


async def abort(context: aio.ServicerContext[Any, Any], error: errors.PointsmanError) -> None:
    """Ends the call with the status of `error`; always raises grpc.aio.AbortError."""
    tracing.fail(trace.get_current_span(), error.reason.value)
    status = rpc_status.to_status(error)
    await context.abort(
        grpc.StatusCode[error.code],
        status.message,
        ((rpc_status.DETAILS_KEY, status.SerializeToString()),),
    )
