"""Spans from every service, joined across processes by the W3C trace context in gRPC metadata.

Without an OTLP endpoint nothing is recorded and a span costs next to nothing, but the caller's context still travels on.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc import aio
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from pointsman import errors
from services.runtime.interception import Behaviour, Interceptor
from services.runtime.settings import Settings

Metadata = tuple[tuple[str, str], ...]
# How long the end of a process waits for the collector.
FLUSH_LIMIT_S = 5.0
logger = logging.getLogger(__name__)


class Tracing:
    """Owns the exporter of one process; `close` flushes it."""

    def __init__(self, settings: Settings) -> None:
        self._provider: TracerProvider | None = None
        if settings.otlp_endpoint:
            # Imported only where it is used: it costs megabytes and tenths of a second at start.
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            endpoint = settings.otlp_endpoint
            resource = {"service.name": f"pointsman-{settings.name}", "service.namespace": "pointsman"}
            self._provider = TracerProvider(
                resource=Resource.create(resource),
                sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
                # Here too nobody would bound it.
                shutdown_on_exit=False,
            )
            exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
            self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=8192))
            trace.set_tracer_provider(self._provider)

    def close(self) -> None:
        """Flushes what is recorded and stops the exporter; gives up after FLUSH_LIMIT_S, as where the collector hangs."""
        if self._provider:
            # The SDK ignores the limit of its own flush (opentelemetry-python, issue 4568): a collector that hangs would hold us
            # up for ten seconds a batch.
            flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
            flushing.start()
            flushing.join(FLUSH_LIMIT_S)
            if flushing.is_alive():
                logger.warning("gave up the last spans: they were not taken within %g s", FLUSH_LIMIT_S)


def tracer() -> trace.Tracer:
    """The tracer of this project."""
    return trace.get_tracer("pointsman")


@contextmanager
def span(
    name: str, kind: trace.SpanKind, attributes: dict[str, Any], parent: Context | None = None
) -> Iterator[trace.Span]:
    """A current span that records the project's errors by reason, and ends with the block."""
    with tracer().start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except errors.PointsmanError as error:
            fail(current, error.reason.value)
            raise
        except aio.AbortError:
            # Whoever aborted the call has told the reason.
            raise
        except BaseException as error:
            fail(current, type(error).__name__)
            raise


def fail(current: trace.Span, reason: str) -> None:
    """Marks a span as failed with a reason of low cardinality."""
    current.set_attribute("error.type", reason)
    current.set_status(trace.Status(trace.StatusCode.ERROR, reason))


def outgoing() -> Metadata:
    """Metadata that carries the current context to the next service."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())


def trace_id() -> str:
    """The current trace's id as 32 hex digits, empty where nothing is traced."""
    current = trace.get_current_span().get_span_context()
    return trace.format_trace_id(current.trace_id) if current.is_valid else ""


class TraceInterceptor(Interceptor):
    """Opens the server span of each call, as a child of the caller's span.

    Names and attributes: OpenTelemetry semantic conventions for RPC and gRPC.
    """

    async def around(self, method: str, call: Behaviour, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        """Runs the call inside its server span."""
        metadata = _text_metadata(context.invocation_metadata())
        if not _recording() and metadata.keys().isdisjoint(propagate.get_global_textmap().fields):
            # Nothing to record and nothing to hand on: a span would be the larger part of a short call.
            return await call(request, context)
        parent = propagate.extract(metadata, context=otel_context.get_current())
        name = method.removeprefix("/")
        service, _, rpc = name.partition("/")
        attributes = {"rpc.system.name": "grpc", "rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}
        with span(name, trace.SpanKind.SERVER, attributes, parent) as current:
            try:
                return await call(request, context)
            finally:
                code = context.code()
                current.set_attribute("rpc.grpc.status_code", _number(code))


def _recording() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _text_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def _number(code: grpc.StatusCode | int | None) -> int:
    if isinstance(code, grpc.StatusCode):
        return int(code.value[0])
    return code or 0
