"""The bodies for the Messages API, against the types of Anthropic's SDK and by example."""

import json

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from pointsman.errors import InvalidRequest, NoCapableModel
from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.anthropic_messages import build_body
from services.providers.anthropic_thinking import ThinkingSupport
from services.providers.http_health import SupportJson
from services.providers.prompt_json import JsonObject
from tests.unit.providers.prompts import ABLE, REQUESTS, UNABLE, user_says
from tests.unit.providers.vendor_types import VendorType

VENDOR = VendorType(MessageCreateParamsStreaming)
NEWER = ThinkingSupport()
OLDER = ThinkingSupport(adaptive=False, budget=True, effort=False)
# The API still takes these for older models; the SDK's types have dropped them.
NOT_IN_THE_SDK = ("temperature", "top_p")


def body_of(request: GenerateRequest, support: ThinkingSupport = NEWER) -> JsonObject:
    return build_body(request, ABLE, support)


@given(REQUESTS, st.builds(ThinkingSupport, st.booleans(), st.booleans(), st.booleans(), st.booleans()))
def test_every_body_is_one_that_the_vendors_sdk_would_send(request: GenerateRequest, support: ThinkingSupport) -> None:
    body = body_of(request, support)
    VENDOR.check({key: value for key, value in body.items() if key not in NOT_IN_THE_SDK})


def test_the_vendors_types_are_checked_to_the_depth() -> None:
    body = body_of(user_says("hi"))
    body["messages"] = [{"role": "user", "content": [{"type": "text", "words": "hi"}]}]
    with pytest.raises(ValidationError):
        VENDOR.check(body)


def test_the_whole_of_a_rich_request() -> None:
    request = GenerateRequest(
        model="claude-x",
        prompt=pb.Prompt(
            turns=[
                pb.Turn(role=pb.ROLE_SYSTEM, parts=[pb.Part(text="Be brief.")]),
                pb.Turn(role=pb.ROLE_USER, parts=[
                    pb.Part(text="What is this?"), pb.Part(media=pb.Media(mime_type="image/png", data=b"\x00\x01")),
                    pb.Part(media=pb.Media(mime_type="application/pdf", uri="https://a.test/b.pdf")),
                    pb.Part(media=pb.Media(mime_type="image/gif", uri="data:image/gif;base64,R0lG")),
                ]),
                pb.Turn(role=pb.ROLE_ASSISTANT, parts=[
                    pb.Part(text="I look."),
                    pb.Part(tool_call=pb.ToolCall(tool_call_id="c1", name="zoom", arguments_json='{"by": 2}')),
                    pb.Part(tool_call=pb.ToolCall(tool_call_id="c2", name="zoom")),
                ]),
                pb.Turn(role=pb.ROLE_TOOL, parts=[pb.Part(tool_result=pb.ToolResult(tool_call_id="c1", content="a cat"))]),
                pb.Turn(role=pb.ROLE_TOOL, parts=[
                    pb.Part(tool_result=pb.ToolResult(tool_call_id="c2", content="blurred", failed=True)),
                ]),
                pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text=" "), pb.Part(text="So?")]),
            ],
            tools=[pb.ToolSpec(name="zoom", description="Looks closer."), pb.ToolSpec(name="pan")],
            tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED),
        ),
        sampling=generation.SamplingOptions(max_output_tokens=9, temperature=0.7, top_p=0.95, stop=["END"]),
    )  # fmt: skip
    schema = {"type": "object", "properties": {}}
    assert json.loads(to_json(body_of(request))) == {
        "model": "claude-x",
        "stream": True,
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAE="}},
                {"type": "document", "source": {"type": "url", "url": "https://a.test/b.pdf"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "zoom", "input": {"by": 2}},
                {"type": "tool_use", "id": "c2", "name": "zoom", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "blurred", "is_error": True},
                {"type": "text", "text": "So?"},
            ]},
        ],
        "tools": [
            {"name": "zoom", "description": "Looks closer.", "input_schema": schema},
            {"name": "pan", "input_schema": schema},
        ],
        "tool_choice": {"type": "any"},
        "temperature": 0.7,
        "top_p": 0.95,
        "stop_sequences": ["END"],
    }  # fmt: skip


def test_a_seed_is_a_wish_that_this_api_does_not_hear() -> None:
    assert body_of(user_says("hi", sampling=generation.SamplingOptions(seed=1))) == body_of(user_says("hi"))


def test_the_limit_that_the_api_needs_comes_from_the_model_where_the_request_has_none() -> None:
    assert build_body(user_says("hi"), UNABLE, NEWER)["max_tokens"] == 4_096
    assert build_body(user_says("hi"), UNABLE.model_copy(update={"max_output_tokens": 77}), NEWER)["max_tokens"] == 77


@pytest.mark.parametrize("mode", [pb.ToolChoice.MODE_NONE, pb.ToolChoice.MODE_AUTO])
def test_the_model_may_be_kept_from_its_tools(mode: pb.ToolChoice.Mode) -> None:
    request = user_says("hi")
    request.prompt.tools.add(name="f")
    request.prompt.tool_choice.mode = mode
    assert body_of(request)["tool_choice"] == {"type": "none" if mode == pb.ToolChoice.MODE_NONE else "auto"}


LOW, HIGH, NONE = (
    generation.REASONING_EFFORT_LOW, generation.REASONING_EFFORT_HIGH, generation.REASONING_EFFORT_NONE,
)  # fmt: skip
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("support", "effort", "limit", "expected"),
    [
        (NEWER, LOW, None, {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        (NEWER, HIGH, 5, {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        (NEWER, NONE, None, {"thinking": {"type": "disabled"}}),
        (ThinkingSupport(disabled=False), NONE, None, {"output_config": {"effort": "low"}}),
        (OLDER, HIGH, 64_000, {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
        (OLDER, HIGH, 4_000, {"thinking": {"type": "enabled", "budget_tokens": 2_000}}),
        # A budget below the API's least does not fit: the model answers without thinking.
        (OLDER, HIGH, 1_500, {}),
        (OLDER, NONE, None, {"thinking": {"type": "disabled"}}),
        (NEWER, generation.REASONING_EFFORT_UNSPECIFIED, None, {}),
    ],
)
def test_effort_is_asked_for_in_the_form_that_the_model_takes(
    support: ThinkingSupport, effort: generation.ReasoningEffort, limit: int | None, expected: JsonObject
) -> None:
    sampling = generation.SamplingOptions(max_output_tokens=limit, reasoning_effort=effort)
    body = body_of(user_says("hi", sampling=sampling), support)
    assert {key: body[key] for key in ("thinking", "output_config") if key in body} == expected


def test_a_model_does_not_think_where_the_api_leaves_no_room_for_it() -> None:
    sampling = generation.SamplingOptions(reasoning_effort=HIGH)
    forced = user_says("hi", sampling=sampling)
    forced.prompt.tools.add(name="f")
    forced.prompt.tool_choice.mode = pb.ToolChoice.MODE_REQUIRED
    assert "thinking" not in body_of(forced)
    assert "thinking" not in body_of(user_says("hi", sampling=sampling, answer_prefix="so"))
    answered = user_says("hi", sampling=sampling)
    answered.prompt.turns.add(role=pb.ROLE_ASSISTANT).parts.add(tool_call=pb.ToolCall(tool_call_id="c", name="f"))
    answered.prompt.turns.add(role=pb.ROLE_TOOL).parts.add(tool_result=pb.ToolResult(tool_call_id="c", content="1"))
    assert "thinking" not in body_of(answered, OLDER)
    assert "thinking" in body_of(answered, NEWER)
    assert "thinking" not in build_body(user_says("hi", sampling=sampling), UNABLE, NEWER)


def test_thinking_support_is_what_the_apis_list_says() -> None:
    yes, no = SupportJson(supported=True), SupportJson(supported=False)
    assert ThinkingSupport.of({"id": "m"}) == NEWER
    assert ThinkingSupport.of(
        {"id": "m", "capabilities": {"effort": no, "thinking": {"types": {"adaptive": no, "enabled": yes, "disabled": yes}}}}
    ) == OLDER  # fmt: skip


def test_a_prefix_is_the_beginning_of_the_answer_without_its_last_white_space() -> None:
    messages = body_of(user_says("count", answer_prefix="one two \n"))["messages"]
    assert messages == [
        {"role": "user", "content": [{"type": "text", "text": "count"}]},
        {"role": "assistant", "content": "one two"},
    ]
    blank = body_of(user_says("count", answer_prefix=" \n"))["messages"]
    assert blank == [{"role": "user", "content": [{"type": "text", "text": "count"}]}]


def test_a_schema_for_the_answer() -> None:
    request = user_says("hi", sampling=generation.SamplingOptions(reasoning_effort=LOW))
    request.prompt.output_format.json_schema = '{"type": "object"}'
    output_config = {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert body_of(request)["output_config"] == output_config


def with_format(request: GenerateRequest, **output_format: object) -> GenerateRequest:
    request.prompt.output_format.CopyFrom(pb.OutputFormat(**output_format))  # type: ignore[arg-type]
    return request


def with_media(**media: object) -> GenerateRequest:
    request = user_says("hi")
    request.prompt.turns[0].parts.add(media=pb.Media(**media))  # type: ignore[arg-type]
    return request


MEDIA = "prompt.turns[0].parts[1].media"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerateRequest(model="m"), "prompt.turns"),
        (user_says(" \n"), "prompt.turns"),
        (user_says("hi", sampling=generation.SamplingOptions(max_output_tokens=0)), "sampling.max_output_tokens"),
        (with_format(user_says("hi"), json_schema="[]"), "prompt.output_format.json_schema"),
    ],
)
def test_what_is_wrong_names_the_field(request_: GenerateRequest, field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        body_of(request_)
    assert [violation.field for violation in raised.value.violations] == [field]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (with_format(user_says("hi"), json=True), "prompt.output_format.json"),
        (with_format(user_says("hi", answer_prefix="a"), json_schema="{}"), "answer_prefix"),
        (with_media(mime_type="image/bmp", data=b"x"), f"{MEDIA}.mime_type"),
        (with_media(mime_type="image/png", uri="ftp://a.test/b"), f"{MEDIA}.uri"),
        (with_media(mime_type="image/png", uri="data:image/png,AAAA"), f"{MEDIA}.uri"),
        (with_media(mime_type="image/png"), f"{MEDIA}.uri"),
    ],
)
def test_what_another_model_may_do_is_told_apart(request_: GenerateRequest, field: str) -> None:
    with pytest.raises(NoCapableModel) as raised:
        body_of(request_)
    assert [violation.field for violation in raised.value.violations] == [field]


def test_what_the_model_cannot_do_names_the_field() -> None:
    with pytest.raises(InvalidRequest) as prefix:
        build_body(user_says("hi", answer_prefix="x"), UNABLE, NEWER)
    assert prefix.value.violations[0].field == "answer_prefix"
    with pytest.raises(NoCapableModel) as schema:
        build_body(with_format(user_says("hi"), json_schema="{}"), UNABLE, NEWER)
    assert schema.value.violations[0].field == "prompt.output_format.json_schema"
