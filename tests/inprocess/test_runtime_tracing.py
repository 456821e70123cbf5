"""Spans of different processes join into one trace, and a failed call's span says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import aio
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pointsman import errors
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.runtime import tracing
from tests.inprocess.runtime_server import SERVICE, Served, running, socket_in, stub


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """Holds the spans of this process; the SDK takes one provider for a process, so what is there already is joined."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield spans
    spans.shutdown()


async def test_the_servers_span_is_a_child_of_the_clients(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    async with running(socket_in(tmp_path)) as (_, channel):
        exporter.clear()
        with tracing.tracer().start_as_current_span("client") as client:
            await stub(channel).Report(pb.ReportRequest(), metadata=tracing.outgoing())
            assert tracing.trace_id() == trace.format_trace_id(client.get_span_context().trace_id)
    server = span_of(exporter, f"{SERVICE}/Report")
    assert server.kind is trace.SpanKind.SERVER
    assert server.parent is not None and server.parent.span_id == client.get_span_context().span_id
    assert server.context is not None and server.context.trace_id == client.get_span_context().trace_id
    assert server.attributes is not None and server.attributes["rpc.grpc.status_code"] == 0
    assert server.attributes["rpc.service"] == SERVICE


async def test_a_failed_calls_span_says_why(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    served = Served()
    served.failure = errors.Overloaded("later")
    async with running(socket_in(tmp_path), served) as (_, channel):
        exporter.clear()
        with pytest.raises(aio.AioRpcError):
            await stub(channel).Report(pb.ReportRequest())
    span = span_of(exporter, f"{SERVICE}/Report")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ERROR_REASON_OVERLOADED"
    assert span.attributes["rpc.grpc.status_code"] == 8
    assert span.parent is None


def span_of(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    """The one finished span of that name."""
    (found,) = (span for span in exporter.get_finished_spans() if span.name == name)
    return found
