"""What a client of the router gets: the grammar of a stream, the decision, and errors that name what is wrong."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pointsman import errors, rpc_status
from pointsman.llm.v1 import model_pb2, prompt_pb2
from pointsman.llm.v1.generation_pb2 import FINISH_REASON_STOP, FINISH_REASON_TOOL_CALLS
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import Answer, ask, prompt
from tests.inprocess.mesh import PATIENCE_S, Mesh, running_mesh

FIRST = model_pb2.ModelRef(provider="first", model="m")
SERVICE = "/pointsman.router.v1.RouterService"


async def explain(mesh: Mesh, request: pb.GenerateRequest) -> pb.RouteDecision:
    asked = pb.ExplainRequest(prompt=request.prompt, sampling=request.sampling, constraints=request.constraints)
    return (await mesh.stub.Explain(asked, timeout=PATIENCE_S)).decision


def pinned(ref: model_pb2.ModelRef = FIRST) -> pb.GenerateRequest:
    return ask(constraints=pb.RoutingConstraints(pinned_model=ref))


async def test_a_stream_is_a_decision_then_text_then_one_end(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": {"answer": "a b c", "reasoning": "hm "}}) as mesh:
        answer = await mesh.generate(ask(request_id="r-1"))
    assert answer.error is None
    assert answer.kinds == ["decided", "reasoning_delta", "text_delta", "finished"]
    assert [frame.sequence for frame in answer.frames] == list(range(1, len(answer.frames) + 1))
    assert answer.text == "a b c"
    assert (answer.decided.request_id, answer.decided.chosen) == ("r-1", FIRST)
    assert answer.finished.reason == FINISH_REASON_STOP
    usage = answer.finished.usage
    assert (usage.output_tokens, usage.reasoning_output_tokens) == (4, 1)
    # One dollar a million tokens in, two out.
    assert usage.cost_micros == usage.input_tokens + 2 * usage.output_tokens
    assert usage.time_to_first_token.ToNanoseconds() <= usage.total_time.ToNanoseconds()


async def test_a_tool_call_comes_whole(tmp_path: Path) -> None:
    call = {"name": "look_up", "arguments_json": '{"a": 1}'}
    async with running_mesh(tmp_path, {"first": {"tool_call": call}}, model={"capabilities": ["tools"]}) as mesh:
        request = ask()
        request.prompt.tools.add(name="look_up", parameters_json_schema='{"type": "object"}')
        answer = await mesh.generate(request)
    assert answer.kinds == ["decided", "tool_call", "finished"]
    assert answer.frames[1].event.tool_call.arguments_json == '{"a": 1}'
    assert answer.finished.reason == FINISH_REASON_TOOL_CALLS


async def test_every_request_has_an_id_of_its_own_where_the_client_gives_none(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        answers = [await mesh.generate(ask()) for _ in range(2)]
        told = [request.request_id for request in mesh.adapter("first").requests]
    assert told == [answer.decided.request_id for answer in answers]
    assert len(set(told)) == 2 and all(told)


async def test_the_provider_gets_the_prompt_and_the_sampling_as_they_are(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        request = ask("Äpfel 🍎?")
        request.sampling.temperature = 0.5
        request.sampling.stop.append("END")
        await mesh.generate(request)
        got = mesh.adapter("first").requests[0]
    assert (got.model, got.prompt, got.sampling) == ("m", request.prompt, request.sampling)


async def test_explain_tells_what_generate_then_does_and_asks_no_model(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        for request in (ask(), pinned(model_pb2.ModelRef(provider="third", model="m"))):
            decision = await explain(mesh, request)
            assert not any(mesh.adapter(name).open for name in mesh.providers)
            asked_before = sum(len(provider.adapter.requests) for provider in mesh.providers.values())
            answer = await mesh.generate(request)
            decision.request_id = answer.decided.request_id
            assert answer.decided.chosen == decision.chosen
            assert answer.decided.reason == decision.reason
            assert [c.model for c in answer.decided.candidates] == [c.model for c in decision.candidates]
            assert sum(len(p.adapter.requests) for p in mesh.providers.values()) == asked_before + 1


async def test_the_decision_tells_every_candidate_with_its_verdict(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, absent=["third"]) as mesh:
        decision = await explain(mesh, ask(constraints=pb.RoutingConstraints(policy="quality_first")))
    told = [(c.model.provider, pb.Candidate.Verdict.Name(c.verdict)) for c in decision.candidates]
    assert told == [
        ("first", "VERDICT_ELIGIBLE"),
        ("second", "VERDICT_ELIGIBLE"),
        ("third", "VERDICT_UNAVAILABLE"),
    ]
    assert decision.policy == "quality_first"
    assert decision.config_revision == mesh.loaded.revision
    assert "not reach" in decision.candidates[2].detail


async def test_models_are_listed_with_price_and_state(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"second": {"down": True}}, absent=["third"], until=["first"]) as mesh:
        await mesh.eventually(lambda: mesh.detail_of("second"), "down by its scenario")
        models = (await mesh.stub.ListModels(pb.ListModelsRequest())).models
    assert [(m.card.ref.provider, m.available) for m in models] == [
        ("first", True),
        ("second", False),
        ("third", False),
    ]
    assert models[0].card.price.output_micros_per_mtok == 2_000_000
    assert models[0].card.context_tokens == 8_000


async def test_a_pinned_model_is_the_only_one_asked(tmp_path: Path) -> None:
    script = {"script": [{"error": "PROVIDER_PROTOCOL"}, {}]}
    async with running_mesh(tmp_path, {"third": script}) as mesh:
        third = pinned(model_pb2.ModelRef(provider="third", model="m"))
        failed, answered = await mesh.generate(third), await mesh.generate(third)
        assert [len(mesh.adapter(name).requests) for name in mesh.providers] == [0, 0, 2]
    assert (failed.code, failed.kinds) == ("INTERNAL", ["decided"])
    assert isinstance(failed.error, errors.ProviderProtocol)
    assert answered.kinds == ["decided", "text_delta", "finished"]


async def test_a_pinned_model_that_is_down_is_told_so_at_once(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, absent=["first"]) as mesh:
        answer = await mesh.generate(pinned())
    assert answer.frames == []
    assert isinstance(answer.error, errors.AllCandidatesUnavailable)
    assert (answer.code, answer.error.retry_after_s) == ("UNAVAILABLE", 1.0)
    assert "first/m: UNAVAILABLE: its provider" in answer.error.message
    assert "second" not in answer.error.message


async def test_what_no_model_can_do_is_a_failed_precondition_that_says_why(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        dear = await mesh.generate(ask(constraints=pb.RoutingConstraints(max_cost_micros=0)))
        capabilities = [model_pb2.CAPABILITY_IMAGE_INPUT]
        unable = await mesh.generate(ask(constraints=pb.RoutingConstraints(required_capabilities=capabilities)))
        long = await mesh.generate(ask("word " * 10_000))
    for answer, words in ((dear, "OVER_BUDGET: about $"), (unable, "lacks image_input"), (long, "window of 8000")):
        assert isinstance(answer.error, errors.NoCapableModel)
        assert (answer.code, answer.frames) == ("FAILED_PRECONDITION", [])
        assert words in answer.error.message


async def test_complete_is_the_same_answer_in_one_piece(tmp_path: Path) -> None:
    first = {"script": [{"error": "PROVIDER_RATE_LIMITED"}]}
    async with running_mesh(tmp_path, {"first": first, "second": {"answer": "a b c"}}) as mesh:
        got = await mesh.stub.Complete(pb.CompleteRequest(request_id="r-2", prompt=prompt()), timeout=PATIENCE_S)
    assert [part.text for part in got.turn.parts] == ["a b c"]
    assert (got.decision.request_id, got.decision.chosen) == ("r-2", FIRST)
    assert [(s.from_model.provider, s.to_model.provider, s.reason) for s in got.switches] == [
        ("first", "second", "ERROR_REASON_PROVIDER_RATE_LIMITED")
    ]
    assert got.finished.reason == FINISH_REASON_STOP
    assert got.finished.usage.cost_micros > 0


async def test_bad_input_is_an_invalid_argument_that_names_the_fields(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        bad = ask(" ", constraints=pb.RoutingConstraints(policy="cheap"))
        answer = await mesh.generate(bad)
        assert isinstance(answer.error, errors.InvalidRequest)
        assert answer.code == "INVALID_ARGUMENT"
        assert [v.field for v in answer.error.violations] == ["prompt", "constraints.policy"]
        for call in (
            mesh.stub.Complete(pb.CompleteRequest(prompt=bad.prompt)),
            mesh.stub.Explain(pb.ExplainRequest(prompt=bad.prompt)),
        ):
            with pytest.raises(aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await mesh.generate(ask())).error is None


async def test_fifty_megabytes_of_text_are_refused_in_words_and_disturb_nobody(tmp_path: Path) -> None:
    request = ask("a" * 50_000_000)
    async with running_mesh(tmp_path) as mesh:
        huge, small = await asyncio.gather(mesh.generate(request), mesh.generate(ask()))
    assert isinstance(huge.error, errors.InvalidRequest)
    told = [(v.field, v.description) for v in huge.error.violations]
    most_bytes = 8 * 1024**2 + 256 * 1024
    assert told == [("prompt", f"expected a request of at most {most_bytes} bytes, found {request.ByteSize()}")]
    assert small.error is None


async def test_a_prompt_a_little_above_the_limit_is_refused_with_its_own_size(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections={"limits": {"max_prompt_bytes": 2_000}}) as mesh:
        above, within = await mesh.generate(ask("a" * 2_000)), await mesh.generate(ask("a" * 1_900))
    assert isinstance(above.error, errors.InvalidRequest)
    assert above.error.message.startswith("prompt: expected at most 2000 bytes, found 20")
    assert within.error is None


async def test_many_tiny_parts_are_refused_before_they_cost_anything(tmp_path: Path) -> None:
    request = ask()
    request.prompt.turns[0].parts.extend([prompt_pb2.Part()] * 1_000_000)
    async with running_mesh(tmp_path) as mesh:
        answer = await mesh.generate(request)
    assert isinstance(answer.error, errors.InvalidRequest)
    assert [v.description for v in answer.error.violations] == ["expected at most 20000 parts in all, found 1000001"]


@pytest.mark.parametrize("method", ["Generate", "Complete", "Explain"])
@pytest.mark.parametrize("spoil", [b"\xff\xfe\xfd\xfc", None])
async def test_bytes_that_are_no_request_are_the_callers_fault(
    tmp_path: Path, method: str, spoil: bytes | None
) -> None:
    good = pb.ExplainRequest(prompt=prompt("TEXT")).SerializeToString()
    data = b"\xff" * 20 if spoil is None else good.replace(b"TEXT", spoil)
    async with running_mesh(tmp_path) as mesh:
        assert mesh.channel is not None
        make: Any = mesh.channel.unary_stream if method == "Generate" else mesh.channel.unary_unary
        call = make(f"{SERVICE}/{method}")(data, timeout=PATIENCE_S)
        with pytest.raises(aio.AioRpcError) as raised:
            _ = [frame async for frame in call] if method == "Generate" else await call
        assert (await mesh.generate(ask())).error is None
    error = rpc_status.from_rpc_error(raised.value)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(error, errors.InvalidRequest)
    assert f"expected an encoded request of {SERVICE}/{method}" in error.violations[0].description


async def test_beyond_its_limit_the_router_sheds_load_and_says_when_to_come_back(tmp_path: Path) -> None:
    stalled = {"script": [{"stall_after_tokens": 1}, {}]}
    async with running_mesh(tmp_path, {"first": stalled}, sections={"limits": {"max_in_flight": 1}}) as mesh:
        held = mesh.stub.Generate(ask(), timeout=PATIENCE_S)
        frames = aiter(held)
        await anext(frames)
        refused: Answer = await mesh.generate(ask())
        assert isinstance(refused.error, errors.Overloaded)
        assert (refused.code, refused.frames) == ("RESOURCE_EXHAUSTED", [])
        assert refused.error.retry_after_s == 0.5
        # Deciding alone takes nothing away from others.
        assert (await explain(mesh, ask())).chosen.model == "m"
        await mesh.adapter("first").started.wait()
        held.cancel()
        await mesh.adapter("first").all_closed.wait()
        assert (await mesh.generate(ask())).error is None


async def test_reflection_lists_the_contract_health_and_itself(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        channel: Any = mesh.channel
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {service.name async for answer in call for service in answer.list_services_response.service}
    assert names == {
        "pointsman.router.v1.RouterService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
