"""An OTLP/gRPC receiver that keeps every span and every figure it gets."""
# ruff: noqa: N802 - methods are named by the protobuf contract.

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from grpc import aio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as a backend would show it."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    events: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass
class OtlpReceiver(TraceServiceServicer):
    """`address` is where to export to; `requests` are the spans that came, as they came, and `metrics` the figures."""

    address: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)

    async def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        self.requests.append(request)
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All spans so far."""
        return [span for request in self.requests for span in _spans(request)]

    def figures(self, name: str) -> dict[frozenset[str], float]:
        """The newest value of each counter or gauge of this name, by the values of its attributes."""
        points = [point for metric in self.metrics if metric.name == name for point in _points(metric)]
        return {frozenset(str(_value(a.value)) for a in p.attributes): p.as_int or p.as_double for p in points}

    def holds(self, text: str) -> bool:
        """Whether any span has this text anywhere."""
        return any(text.encode() in request.SerializeToString() for request in self.requests)


class _Figures(MetricsServiceServicer):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    async def Export(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self._metrics.extend(scope.metrics)
        return ExportMetricsServiceResponse()


@asynccontextmanager
async def receiving() -> AsyncIterator[OtlpReceiver]:
    """Receives on a free port of the loopback interface."""
    receiver, server = OtlpReceiver(), aio.server()
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    add_MetricsServiceServicer_to_server(_Figures(receiver.metrics), server)  # type: ignore[no-untyped-call]
    receiver.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(0)


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        service = {a.key: a.value for a in resource.resource.attributes}["service.name"].string_value
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=service,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    events=tuple(event.name for event in span.events),
                    attributes={a.key: _value(a.value) for a in span.attributes},
                )


def _points(metric: Metric) -> Sequence[NumberDataPoint]:
    return metric.sum.data_points if metric.HasField("sum") else metric.gauge.data_points


def _value(value: AnyValue) -> Any:
    if value.WhichOneof("value") == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, value.WhichOneof("value") or "string_value")
