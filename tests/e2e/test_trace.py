"""One trace joins client, router, classifier and providers across processes, and holds no word of prompt or answer."""

import asyncio
import signal
import socket
from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from pointsman import telemetry_names as names
from pointsman.client import Client
from tests.e2e.mesh_config import clean_environment
from tests.e2e.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving
from tests.e2e.service_processes import SERVING, service_processes
from tests.e2e.two_providers import write_two_providers

SECRET_PROMPT, SECRET_ANSWER = "quokkaprompt", "numbatanswer"
ROUTER, CLASSIFIER = "pointsman-router", "pointsman-classifier"
FIRST, SECOND = "pointsman-providers-first", "pointsman-providers-second"
SERVICES = ("router", "classifier", "provider-first", "provider-second")
# So patient that a slow machine classifies too.
PATIENT = {"classifier_timeout_ms": 10_000}


async def trace_of_one_request(folder: Path, receiver: OtlpReceiver) -> list[ReceivedSpan]:
    """Streams one answer, for which the first provider fails; ends every process; the spans of the client's trace."""
    config = write_two_providers(
        folder,
        {"script": [{"error": "PROVIDER_UNAVAILABLE"}]},
        {"answer": f"{SECRET_ANSWER} is said here", "tokens_per_second": 20},
        router=PATIENT,
    )
    tracing = TracerProvider(resource=Resource.create({"service.name": "client"}))
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(receiver.address, insecure=True)))
    environment = clean_environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address)
    async with service_processes(config, environment) as mesh, Client(mesh.address("router")) as client:
        await mesh.start(*SERVICES)
        await asyncio.gather(*(mesh.until("router", f"provider/{name}", SERVING) for name in ("first", "second")))
        with tracing.get_tracer("test").start_as_current_span("ask"):
            async with client.generate(f"Why {SECRET_PROMPT}?", request_id="r-1") as stream:
                assert await stream.read_all() == f"{SECRET_ANSWER} is said here"
        # What is recorded is flushed when a process is told to end.
        assert set((await mesh.end(*SERVICES)).values()) == {0}
    await asyncio.to_thread(tracing.shutdown)
    asked = next(span for span in receiver.spans if span.name == "ask")
    return [span for span in receiver.spans if span.trace_id == asked.trace_id]


async def test_one_trace_joins_client_router_classifier_and_providers(tmp_path: Path) -> None:
    async with receiving() as receiver:
        spans = await trace_of_one_request(tmp_path, receiver)
        assert not receiver.holds(SECRET_PROMPT)
        assert not receiver.holds(SECRET_ANSWER)
    by_id = {span.span_id: span for span in spans}
    tree = sorted(
        (span.service, span.name, span.kind, by_id[span.parent_id].name if span.parent_id else "") for span in spans
    )
    assert tree == sorted(
        [
            ("client", "ask", "INTERNAL", ""),
            (ROUTER, "pointsman.router.v1.RouterService/Generate", "SERVER", "ask"),
            (ROUTER, names.ROUTE_SPAN, "INTERNAL", "pointsman.router.v1.RouterService/Generate"),
            (CLASSIFIER, "pointsman.classifier.v1.ClassifierService/Classify", "SERVER", names.ROUTE_SPAN),
            (ROUTER, "chat m", "CLIENT", names.ROUTE_SPAN),
            (FIRST, "pointsman.provider.v1.ProviderService/Generate", "SERVER", "chat m"),
            (ROUTER, "chat m", "CLIENT", names.ROUTE_SPAN),
            (SECOND, "pointsman.provider.v1.ProviderService/Generate", "SERVER", "chat m"),
        ]
    )
    route = next(span for span in spans if span.name == names.ROUTE_SPAN)
    assert route.events == ("switch",)
    assert route.attributes.items() >= {names.REQUEST_ID: "r-1", names.POLICY: "balanced", names.ATTEMPTS: 2}.items()
    assert route.attributes[names.CHOSEN_MODEL] == "first/m"
    assert route.attributes[names.CANDIDATES] == ["first/m", "second/m"]
    assert route.attributes[names.CLASSIFIER_TIER] in ("fast", "encoder")
    assert {names.INTENT, names.COMPLEXITY, names.DECISION_REASON, names.CONFIG_REVISION} <= route.attributes.keys()
    failed, answered = sorted(
        (span for span in spans if span.kind == "CLIENT"), key=lambda span: span.attributes[names.ATTEMPT]
    )
    assert failed.failed
    assert failed.attributes[names.PROVIDER_NAME] == "first"
    assert failed.attributes[names.ERROR_TYPE] == "ERROR_REASON_PROVIDER_UNAVAILABLE"
    assert not answered.failed
    told = answered.attributes
    assert (told[names.OPERATION_NAME], told[names.PROVIDER_NAME], told[names.REQUEST_MODEL]) == ("chat", "second", "m")
    assert (told[names.RESPONSE_MODEL], told[names.RESPONSE_FINISH_REASONS]) == ("m", ["stop"])
    assert told[names.OUTPUT_TOKENS] == 4
    assert told[names.COST_MICROS] == told[names.INPUT_TOKENS] + 2 * told[names.OUTPUT_TOKENS]
    assert told[names.TOKENS_PER_SECOND] > 0
    assert told[names.RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    servers = {span.service: span for span in spans if span.kind == "SERVER"}
    assert {service: span.failed for service, span in servers.items()} == {
        ROUTER: False,
        CLASSIFIER: False,
        FIRST: True,
        SECOND: False,
    }
    assert servers[FIRST].parent_id == failed.span_id
    assert servers[SECOND].parent_id == answered.span_id
    assert servers[FIRST].attributes[names.ERROR_TYPE] == "ERROR_REASON_PROVIDER_UNAVAILABLE"


async def test_an_answer_that_was_whole_is_a_failure_in_no_span(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {}, router=PATIENT)
    async with receiving() as receiver:
        environment = clean_environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address)
        async with service_processes(config, environment) as mesh, Client(mesh.address("router")) as client:
            await mesh.start("provider-first", "router")
            await mesh.until("router", "provider/first", SERVING)
            for _ in range(200):
                await client.complete("Why?")
            await mesh.end("provider-first", "router")
    answered = [span for span in receiver.spans if span.name == "pointsman.provider.v1.ProviderService/Generate"]
    assert len(answered) == 200
    assert [span for span in receiver.spans if span.failed] == []


async def test_a_collector_that_hangs_costs_no_request_and_no_clean_end(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {"answer": "a b c"}, {})
    # Connections are taken by the kernel, and nobody ever reads from them.
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        environment = clean_environment(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{hanging.getsockname()[1]}")
        async with service_processes(config, environment) as mesh, Client(mesh.address("router")) as client:
            await mesh.start("provider-first", "router")
            await mesh.until("router", "provider/first", SERVING)
            assert (await client.complete("Why?")).text == "a b c"
            for name in ("provider-first", "router"):
                mesh.signal(name, signal.SIGTERM)
            for name in ("provider-first", "router"):
                code, logged = await mesh.ended(name)
                assert code == 0
                assert "gave up the last spans" in logged
