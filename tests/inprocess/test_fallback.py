"""When a model fails: who answers instead, what the client is told, and what is never shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from pointsman import errors
from pointsman.errors import BY_REASON
from pointsman.llm.v1.generation_pb2 import GenerationEvent, TextDelta
from pointsman.provider.v1 import provider_service_pb2 as provider_pb
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.failover import CALLERS_FAULT
from tests.inprocess.answers import ask, prompt
from tests.inprocess.mesh import PATIENCE_S, SERVING, running_mesh

CALLERS = {error.reason.value for error in CALLERS_FAULT}
STAY = pb.RoutingConstraints(switch_mode=pb.SWITCH_MODE_FAIL)
SILENT: dict[str, Any] = {"script": [{"stall_after_tokens": 0}]}


def failing(reason: str, **more: Any) -> dict[str, Any]:
    """A model that always fails so."""
    return {"script": [{"error": reason.removeprefix("ERROR_REASON_"), **more}]}


@pytest.mark.parametrize("reason", sorted(set(BY_REASON) - CALLERS))
async def test_what_another_model_can_mend_is_answered_by_the_next(tmp_path: Path, reason: str) -> None:
    async with running_mesh(tmp_path, {"first": failing(reason), "second": {"answer": "a b c"}}) as mesh:
        answer = await mesh.generate(ask())
    assert answer.error is None
    assert answer.kinds == ["decided", "switched", "text_delta", "finished"]
    assert answer.switches == [("first", "second", reason)]
    assert answer.text == "a b c"
    assert [frame.sequence for frame in answer.frames] == list(range(1, len(answer.frames) + 1))


@pytest.mark.parametrize("reason", sorted(CALLERS))
async def test_what_is_the_callers_fault_is_told_at_once(tmp_path: Path, reason: str) -> None:
    async with running_mesh(tmp_path, {"first": failing(reason)}) as mesh:
        answer = await mesh.generate(ask())
        assert mesh.adapter("second").requests == []
    assert type(answer.error) is BY_REASON[reason]
    assert answer.code == BY_REASON[reason].code
    assert answer.kinds == ["decided"]


async def test_when_all_fail_every_attempt_is_told(tmp_path: Path) -> None:
    scenarios = {
        "first": failing("PROVIDER_RATE_LIMITED", retry_after_s=7),
        "second": failing("PROVIDER_UNAVAILABLE"),
        "third": {"script": [{"cut_after_tokens": 0}]},
    }
    async with running_mesh(tmp_path, scenarios) as mesh:
        answer = await mesh.generate(ask())
    assert isinstance(answer.error, errors.AllCandidatesUnavailable)
    assert (answer.code, answer.error.retry_after_s) == ("UNAVAILABLE", 7.0)
    assert answer.kinds == ["decided", "switched"]
    told = answer.error.metadata
    assert told == {
        "attempt_1": "first/m: ERROR_REASON_PROVIDER_RATE_LIMITED: as its scenario says",
        "attempt_2": "second/m: ERROR_REASON_PROVIDER_UNAVAILABLE: as its scenario says",
        "attempt_3": told["attempt_3"],
    }
    assert told["attempt_3"].startswith("third/m: ERROR_REASON_STREAM_CUT: ")


async def test_no_more_attempts_are_made_than_allowed(tmp_path: Path) -> None:
    scenarios = {name: failing("PROVIDER_UNAVAILABLE") for name in ("first", "second")}
    async with running_mesh(tmp_path, scenarios, sections={"limits": {"max_attempts": 2}}) as mesh:
        answer = await mesh.generate(ask())
        assert [len(mesh.adapter(name).requests) for name in mesh.providers] == [1, 1, 0]
    assert answer.error is not None
    assert set(answer.error.metadata) == {"attempt_1", "attempt_2"}


async def test_a_silent_model_is_left_for_the_next(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": SILENT}, sections={"limits": {"first_token_timeout_s": 0.2}}) as mesh:
        answer = await mesh.generate(ask())
        await mesh.adapter("first").all_closed.wait()
    assert answer.switches == [("first", "second", "ERROR_REASON_PROVIDER_SILENT")]
    assert answer.error is None


async def test_a_silent_model_may_use_half_of_the_clients_time(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": SILENT}) as mesh:
        answer = await mesh.generate(ask(), timeout_s=2.0)
    assert answer.switches == [("first", "second", "ERROR_REASON_PROVIDER_SILENT")]
    assert answer.error is None


async def test_silence_everywhere_is_told_before_the_clients_deadline(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, dict.fromkeys(("first", "second", "third"), SILENT)) as mesh:
        answer = await mesh.generate(ask(), timeout_s=2.0)
        for provider in mesh.providers.values():
            if provider.adapter.requests:
                await provider.adapter.all_closed.wait()
    assert answer.code == "UNAVAILABLE"
    assert answer.error is not None
    assert set(answer.error.metadata) == {"attempt_1", "attempt_2", "attempt_3"}
    assert "finished" not in answer.kinds


async def test_without_a_deadline_of_the_client_the_routers_own_holds(tmp_path: Path) -> None:
    limits = {"default_deadline_s": 0.4, "first_token_timeout_s": 10}
    async with running_mesh(
        tmp_path, {"first": SILENT}, absent=["second", "third"], sections={"limits": limits}
    ) as mesh:
        call = mesh.stub.Generate(ask())
        with pytest.raises(aio.AioRpcError) as raised:
            _ = [frame async for frame in call]
        await mesh.adapter("first").all_closed.wait()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"stall_after_tokens": 2}, errors.StreamStalled),
        ({"cut_after_tokens": 2}, errors.StreamCut),
        ({"error": "PROVIDER_UNAVAILABLE", "after_tokens": 2}, errors.ProviderUnavailable),
        ({"error": "CONTEXT_TOO_LONG", "after_tokens": 2}, errors.ContextTooLong),
    ],
)
async def test_a_broken_answer_is_never_shown_as_whole(
    tmp_path: Path, behaviour: dict[str, Any], error: type[errors.PointsmanError]
) -> None:
    first = {"answer": "a b c d", "script": [behaviour]}
    async with running_mesh(tmp_path, {"first": first}, sections={"limits": {"stall_timeout_s": 0.2}}) as mesh:
        answer = await mesh.generate(ask(constraints=STAY))
        await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("second").requests == []
    assert type(answer.error) is error
    assert answer.code == error.code
    assert (answer.kinds, answer.text) == (["decided", "text_delta"], "a b ")
    assert answer.error.metadata["attempt_1"].startswith(f"first/m: {error.reason.value}: ")


async def test_complete_never_returns_a_part_of_an_answer(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": {"script": [{"cut_after_tokens": 2}]}}) as mesh:
        with pytest.raises(aio.AioRpcError) as raised:
            await mesh.stub.Complete(pb.CompleteRequest(prompt=prompt(), constraints=STAY), timeout=PATIENCE_S)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_provider_that_dies_while_it_speaks_cuts_the_stream_and_the_next_request_goes_elsewhere(
    tmp_path: Path,
) -> None:
    stalling = {"answer": "a b c", "script": [{"stall_after_tokens": 1}]}
    async with running_mesh(tmp_path, {"first": stalling}) as mesh:
        call = mesh.stub.Generate(ask(constraints=STAY), timeout=PATIENCE_S)
        frames = aiter(call)
        kinds = [(await anext(frames)).WhichOneof("frame") for _ in range(2)]
        await mesh.stop_provider("first")
        with pytest.raises(aio.AioRpcError) as raised:
            await anext(frames)
        assert kinds == ["decided", "event"]
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        answer = await mesh.generate(ask())
        assert (answer.error, answer.text) == (None, "All is well. ")
        await mesh.start_provider("first")
        await mesh.until("provider/first", SERVING)
        assert (await mesh.stub.Explain(pb.ExplainRequest(prompt=prompt()))).decision.candidates[0].verdict == (
            pb.Candidate.VERDICT_ELIGIBLE
        )


@asynccontextmanager
async def garbled_provider(address: str, *frames: bytes, code: grpc.StatusCode | None = None) -> AsyncIterator[None]:
    """A provider of another make: healthy, but its streams are these bytes, and end with this status."""

    async def watch(request: bytes, context: Any) -> None:
        ready = provider_pb.ModelHealth(model="m", state=provider_pb.ModelHealth.STATE_READY)
        await context.write(provider_pb.WatchModelHealthResponse(models=[ready]).SerializeToString())
        await asyncio.Event().wait()

    async def generate(request: bytes, context: Any) -> None:
        for frame in frames:
            await context.write(frame)
        if code:
            await context.abort(code, "by a proxy")

    server = aio.server()
    handlers: dict[str, Any] = {
        "WatchModelHealth": grpc.unary_stream_rpc_method_handler(watch),
        "Generate": grpc.unary_stream_rpc_method_handler(generate),
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pointsman.provider.v1.ProviderService", handlers),)
    )
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


SAID = provider_pb.GenerateResponse(event=GenerationEvent(text_delta=TextDelta(text="a", token_count=1)))


@pytest.mark.parametrize("frame", [b"\xff\xff\xff", b"", provider_pb.GenerateResponse(event={}).SerializeToString()])
async def test_a_provider_that_speaks_no_known_language_is_left_for_the_next(tmp_path: Path, frame: bytes) -> None:
    async with (
        running_mesh(tmp_path, absent=["first"]) as mesh,
        garbled_provider(f"unix:{tmp_path}/provider-first.sock", frame),
    ):
        await mesh.until("provider/first", SERVING)
        answer = await mesh.generate(ask())
    assert answer.switches == [("first", "second", "ERROR_REASON_PROVIDER_PROTOCOL")]
    assert answer.error is None


async def test_a_stream_that_becomes_senseless_is_cut(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path, absent=["first"]) as mesh,
        garbled_provider(f"unix:{tmp_path}/provider-first.sock", SAID.SerializeToString(), b"\xff\xff\xff"),
    ):
        await mesh.until("provider/first", SERVING)
        answer = await mesh.generate(ask(constraints=STAY))
    assert isinstance(answer.error, errors.ProviderProtocol)
    assert (answer.kinds, answer.text) == (["decided", "text_delta"], "a")


# What a proxy on the way to a provider may say, and what it means before the first token and after it.
PROXY_SAYS = [
    (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNREACHABLE", "STREAM_CUT"),
    (grpc.StatusCode.INTERNAL, "PROVIDER_UNREACHABLE", "STREAM_CUT"),
    (grpc.StatusCode.CANCELLED, "STREAM_CUT", "STREAM_CUT"),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "PROVIDER_SILENT", "STREAM_STALLED"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED", "PROVIDER_RATE_LIMITED"),
    (grpc.StatusCode.UNAUTHENTICATED, "PROVIDER_CREDENTIALS", "PROVIDER_CREDENTIALS"),
    (grpc.StatusCode.INVALID_ARGUMENT, "PROVIDER_PROTOCOL", "PROVIDER_PROTOCOL"),
    (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_PROTOCOL", "PROVIDER_PROTOCOL"),
    (grpc.StatusCode.UNIMPLEMENTED, "PROVIDER_PROTOCOL", "PROVIDER_PROTOCOL"),
    (grpc.StatusCode.UNKNOWN, "PROVIDER_PROTOCOL", "PROVIDER_PROTOCOL"),
]


@pytest.mark.parametrize(("code", "before", "after"), PROXY_SAYS)
async def test_what_a_proxy_says_of_a_provider_is_never_the_callers_fault_or_ours(
    tmp_path: Path, code: grpc.StatusCode, before: str, after: str
) -> None:
    address = f"unix:{tmp_path}/provider-first.sock"
    async with running_mesh(tmp_path, absent=["first"]) as mesh:
        async with garbled_provider(address, code=code):
            await mesh.until("provider/first", SERVING)
            answer = await mesh.generate(ask())
        assert answer.switches == [("first", "second", f"ERROR_REASON_{before}")]
        assert (answer.error, answer.text) == (None, "All is well. ")
    async with (
        running_mesh(tmp_path, absent=["first"]) as mesh,
        garbled_provider(address, SAID.SerializeToString(), code=code),
    ):
        await mesh.until("provider/first", SERVING)
        cut = await mesh.generate(ask(constraints=STAY))
    assert cut.error is not None
    assert (cut.error.reason.value, cut.text) == (f"ERROR_REASON_{after}", "a")
