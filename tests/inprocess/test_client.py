"""The client against a gRPC server: what it sends, what it raises, and that it ends what it starts."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from pointsman import errors
from pointsman.client import Client
from pointsman.items import Decided, Finished, Text
from pointsman.llm.v1.generation_pb2 import FINISH_REASON_STOP, GenerationFinished, SamplingOptions
from pointsman.llm.v1.model_pb2 import CAPABILITY_TOOLS, ModelCard
from pointsman.llm.v1.prompt_pb2 import ROLE_ASSISTANT, ROLE_USER, Part, ToolCall, Turn
from pointsman.requests import make_prompt
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.scripted_router import CHOSEN, HANG, ScriptedRouter, decided, finished, said, serving


async def test_an_answer_streams_to_its_end(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("Points "), said("freeze."), finished()])
    async with serving(router, tmp_path) as address, Client(address) as client, client.generate("Why?") as stream:
        assert (await stream.decided()).reason == "worth its price"
        items = [item async for item in stream]
    assert [type(item) for item in items] == [Text, Text, Finished]
    assert stream.text == "Points freeze."
    assert stream.model == "p/m"


async def test_every_option_reaches_the_router(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), finished()])
    async with serving(router, tmp_path) as address, Client(address) as client:
        stream = client.generate(
            make_prompt("Why?", system="Be brief."),
            sampling=SamplingOptions(max_output_tokens=7, temperature=0.0),
            policy="economy",
            pinned_model="p/org/m",
            required_capabilities=[CAPABILITY_TOOLS],
            max_cost_usd=0.0125,
            session_key="s1",
            switch_mode=pb.SWITCH_MODE_FAIL,
            request_id="r1",
            timeout_s=60,
        )
        await stream.read_all()
    request = router.requests[0]
    assert [turn.parts[0].text for turn in request.prompt.turns] == ["Be brief.", "Why?"]
    assert request.sampling.max_output_tokens == 7 and request.sampling.HasField("temperature")
    constraints = request.constraints
    assert (constraints.policy, constraints.session_key, constraints.max_cost_micros) == ("economy", "s1", 12_500)
    assert (constraints.pinned_model.provider, constraints.pinned_model.model) == ("p", "org/m")
    assert list(constraints.required_capabilities) == [CAPABILITY_TOOLS]
    assert constraints.switch_mode == pb.SWITCH_MODE_FAIL
    assert request.request_id == "r1"
    assert router.deadline_s is not None and 55 < router.deadline_s < 65


async def test_text_is_one_user_turn_and_unset_options_stay_unset(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), finished()])
    async with serving(router, tmp_path) as address, Client(address) as client:
        await client.generate("Why?").read_all()
    request = router.requests[0]
    assert list(request.prompt.turns) == [Turn(role=ROLE_USER, parts=[Part(text="Why?")])]
    assert not request.HasField("sampling")
    assert not request.constraints.HasField("max_cost_micros")
    assert router.deadline_s is None


async def test_the_callers_span_travels_along(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), finished()])
    tracer = TracerProvider().get_tracer("test")
    async with serving(router, tmp_path) as address, Client(address) as client:
        with tracer.start_as_current_span("caller") as span:
            await client.generate("Why?").read_all()
        context = span.get_span_context()
        traced = f"00-{trace.format_trace_id(context.trace_id)}-{trace.format_span_id(context.span_id)}-"
        assert str(router.metadata["traceparent"]).startswith(traced)
        await client.generate("Why?").read_all()
        assert "traceparent" not in router.metadata


async def test_an_error_keeps_what_came_before_it(tmp_path: Path) -> None:
    failure = errors.Overloaded("come back later", retry_after_s=2.5, metadata={"in_flight": "2000"})
    router = ScriptedRouter([decided(), said("half"), failure])
    async with serving(router, tmp_path) as address, Client(address) as client:
        stream = client.generate("Why?")
        with pytest.raises(errors.Overloaded, match="come back later") as raised:
            await stream.read_all()
    assert raised.value.retry_after_s == 2.5
    assert raised.value.metadata == {"in_flight": "2000"}
    assert stream.text == "half" and stream.finished is None


async def test_a_stream_that_ends_without_finished_is_cut(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("half")])
    async with serving(router, tmp_path) as address, Client(address) as client:
        stream = client.generate("Why?")
        with pytest.raises(errors.StreamCut):
            await stream.read_all()
    assert stream.text == "half"


async def test_a_frame_out_of_order_ends_the_call(tmp_path: Path) -> None:
    gap = said("x")
    gap.sequence = 7
    router = ScriptedRouter([decided(), gap, HANG])
    async with serving(router, tmp_path) as address, Client(address) as client:
        with pytest.raises(errors.ProviderProtocol, match="expected frame 2, found frame 7"):
            await client.generate("Why?").read_all()
        await router.cancelled.wait()


async def test_leaving_the_block_ends_the_call(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("half"), HANG])
    async with serving(router, tmp_path) as address, Client(address) as client:
        async with client.generate("Why?") as stream:
            async for item in stream:
                if isinstance(item, Text):
                    break
        await router.cancelled.wait()
        assert [item async for item in stream] == []


async def test_cancelling_the_reader_ends_the_call(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), HANG])
    async with serving(router, tmp_path) as address, Client(address) as client:
        stream = client.generate("Why?")
        assert isinstance(await anext(stream), Decided)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stream.read_all()
        await router.cancelled.wait()


async def test_time_that_runs_out_is_told_as_such(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), HANG])
    async with serving(router, tmp_path) as address, Client(address) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.generate("Why?", timeout_s=0.2).read_all()


async def test_no_router_at_the_address(tmp_path: Path) -> None:
    async with Client(f"unix:{tmp_path / 'nobody.sock'}") as client:
        with pytest.raises(errors.ProviderUnreachable):
            await client.list_models()


async def test_a_whole_answer(tmp_path: Path) -> None:
    call = ToolCall(tool_call_id="1", name="look_up", arguments_json="{}")
    answer = pb.CompleteResponse(
        turn=Turn(role=ROLE_ASSISTANT, parts=[Part(text="Points "), Part(text="freeze."), Part(tool_call=call)]),
        finished=GenerationFinished(reason=FINISH_REASON_STOP),
        decision=pb.RouteDecision(chosen=CHOSEN),
        switches=[pb.ModelSwitch(from_model=CHOSEN, to_model=CHOSEN, reason="ERROR_REASON_STREAM_CUT")],
    )
    router = ScriptedRouter(answer=answer)
    async with serving(router, tmp_path) as address, Client(address) as client:
        whole = await client.complete("Why?", policy="economy")
    assert whole.text == "Points freeze."
    assert whole.tool_calls == (call,)
    assert whole.switches[0].from_model == "p/m"
    assert router.requests[0].constraints.policy == "economy"


async def test_a_whole_answer_that_lacks_its_end_is_refused(tmp_path: Path) -> None:
    router = ScriptedRouter(answer=pb.CompleteResponse(decision=pb.RouteDecision(chosen=CHOSEN)))
    async with serving(router, tmp_path) as address, Client(address) as client:
        with pytest.raises(errors.ProviderProtocol):
            await client.complete("Why?")


async def test_a_refusal_names_its_fields(tmp_path: Path) -> None:
    router = ScriptedRouter([errors.InvalidRequest.of("sampling.top_p", "expected a share from 0 to 1")])
    async with serving(router, tmp_path) as address, Client(address) as client:
        with pytest.raises(errors.InvalidRequest) as raised:
            await client.complete("Why?")
    assert raised.value.violations == (errors.FieldViolation("sampling.top_p", "expected a share from 0 to 1"),)


async def test_explain_and_list(tmp_path: Path) -> None:
    router = ScriptedRouter(
        decision=pb.RouteDecision(chosen=CHOSEN, policy="economy"),
        models=[pb.ModelStatus(card=ModelCard(ref=CHOSEN), available=True)],
    )
    async with serving(router, tmp_path) as address, Client(address) as client:
        assert (await client.explain("Why?", max_cost_usd=0)).policy == "economy"
        assert router.requests[0].constraints.HasField("max_cost_micros")
        assert [status.card.ref for status in await client.list_models()] == [CHOSEN]


@pytest.mark.parametrize("model", ["", "m", "/m", "p/"])
async def test_a_pinned_model_needs_its_provider(tmp_path: Path, model: str) -> None:
    async with Client(f"unix:{tmp_path / 'nobody.sock'}") as client:
        with pytest.raises(errors.InvalidRequest, match="expected provider/model"):
            client.generate("Why?", pinned_model=model)


@pytest.mark.parametrize("cost", [-0.01, float("nan"), float("inf")])
async def test_a_cost_limit_is_a_sum_of_money(tmp_path: Path, cost: float) -> None:
    async with Client(f"unix:{tmp_path / 'nobody.sock'}") as client:
        with pytest.raises(errors.InvalidRequest, match="max_cost_usd"):
            await client.complete("Why?", max_cost_usd=cost)


async def test_text_that_is_no_unicode_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with Client(f"unix:{tmp_path / 'nobody.sock'}") as client:
        with pytest.raises(errors.InvalidRequest, match="prompt: expected text in UTF-8"):
            client.generate("broken \udce9")
