"""The bodies for chat completions APIs, against the types of OpenAI's SDK and by example."""

import json

import pytest
from hypothesis import given
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import ValidationError
from pydantic_core import to_json

from pointsman.config.schema import AnswerPrefixStyle, OpenAiHttpSection
from pointsman.errors import InvalidRequest, NoCapableModel
from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.openai_messages import build_body
from services.providers.prompt_json import JsonObject
from tests.unit.providers.prompts import ABLE, REQUESTS, UNABLE, user_says
from tests.unit.providers.vendor_types import VendorType

SECTION = OpenAiHttpSection(kind="openai_http")
VENDOR = VendorType(CompletionCreateParamsStreaming)


def body_of(request: GenerateRequest, **section: object) -> JsonObject:
    return build_body(request, SECTION.model_copy(update=section), ABLE)


@given(REQUESTS)
def test_every_body_is_one_that_the_vendors_sdk_would_send(request: GenerateRequest) -> None:
    VENDOR.check(body_of(request))


def test_the_vendors_types_are_checked_to_the_depth() -> None:
    body = body_of(user_says("hi"))
    body["messages"] = [{"role": "user", "content": [{"type": "text", "words": "hi"}]}]
    with pytest.raises(ValidationError):
        VENDOR.check(body)


def test_the_whole_of_a_rich_request() -> None:
    request = GenerateRequest(
        model="gpt-x",
        prompt=pb.Prompt(
            turns=[
                pb.Turn(role=pb.ROLE_SYSTEM, parts=[pb.Part(text="Be brief.")]),
                pb.Turn(role=pb.ROLE_USER, parts=[
                    pb.Part(text="What is this?"), pb.Part(media=pb.Media(mime_type="image/png", data=b"\x00\x01")),
                    pb.Part(media=pb.Media(mime_type="audio/wav", data=b"\x02")),
                ]),
                pb.Turn(role=pb.ROLE_ASSISTANT, parts=[
                    pb.Part(text="I look."), pb.Part(tool_call=pb.ToolCall(tool_call_id="c1", name="zoom")),
                ]),
                pb.Turn(role=pb.ROLE_TOOL, parts=[
                    pb.Part(tool_result=pb.ToolResult(tool_call_id="c1", content="blurred", failed=True)),
                ]),
            ],
            tools=[pb.ToolSpec(name="zoom", description="Looks closer.", parameters_json_schema='{"type": "object"}')],
            tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED, name="zoom"),
            output_format=pb.OutputFormat(json=True),
        ),
        sampling=generation.SamplingOptions(
            max_output_tokens=9, temperature=0.7, top_p=0.95, seed=-4, stop=["END"],
            reasoning_effort=generation.REASONING_EFFORT_LOW,
        ),
    )  # fmt: skip
    body = body_of(request, max_tokens_field="max_completion_tokens")
    assert json.loads(to_json(body)) == {
        "model": "gpt-x",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAE="}},
                {"type": "input_audio", "input_audio": {"data": "Ag==", "format": "wav"}},
            ]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "Error: blurred"},
        ],
        "tools": [
            {"type": "function", "function": {
                "name": "zoom", "description": "Looks closer.", "parameters": {"type": "object"},
            }},
        ],
        "tool_choice": {"type": "function", "function": {"name": "zoom"}},
        "response_format": {"type": "json_object"},
        "max_completion_tokens": 9,
        "temperature": 0.7,
        "top_p": 0.95,
        "seed": -4,
        "stop": ["END"],
        "reasoning_effort": "low",
    }  # fmt: skip


def test_what_the_section_and_the_request_leave_out_is_left_out() -> None:
    assert body_of(user_says("hi"), stream_usage=False) == {
        "model": "m",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_effort_and_seed_are_only_for_models_that_take_them() -> None:
    sampling = generation.SamplingOptions(reasoning_effort=generation.REASONING_EFFORT_HIGH, seed=7)
    able, unable = (build_body(user_says("hi", sampling=sampling), SECTION, model) for model in (ABLE, UNABLE))
    assert (able["reasoning_effort"], able["seed"]) == ("high", 7)
    assert not {"reasoning_effort", "seed"} & unable.keys()


@pytest.mark.parametrize(
    ("style", "message", "fields"),
    [
        (AnswerPrefixStyle.PLAIN, {}, {}),
        (AnswerPrefixStyle.PREFIX_FLAG, {"prefix": True}, {}),
        (
            AnswerPrefixStyle.CONTINUE_FINAL_MESSAGE,
            {},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
    ],
)
def test_an_answer_goes_on_in_the_way_the_api_knows(
    style: AnswerPrefixStyle, message: JsonObject, fields: JsonObject
) -> None:
    body = body_of(user_says("count", answer_prefix="one two "), answer_prefix_style=style)
    assert body.pop("messages") == [
        {"role": "user", "content": "count"},
        {"role": "assistant", "content": "one two "} | message,
    ]
    assert {key: body[key] for key in body if key not in ("model", "stream", "stream_options")} == fields


def bad(**prompt: object) -> GenerateRequest:
    return GenerateRequest(model="m", prompt=pb.Prompt(**prompt))  # type: ignore[arg-type]


def turn(role: int, **part: object) -> list[pb.Turn]:
    return [pb.Turn(role=role, parts=[pb.Part(**part)])]  # type: ignore[arg-type]


HI = [pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text="hi")])]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (bad(), "prompt.turns"),
        (bad(turns=[pb.Turn()]), "prompt.turns[0].role"),
        (bad(turns=turn(pb.ROLE_SYSTEM, media=pb.Media(mime_type="image/png", data=b"x"))), "prompt.turns[0].parts[0]"),
        (bad(turns=turn(pb.ROLE_USER, tool_result=pb.ToolResult())), "prompt.turns[0].parts[0]"),
        (bad(turns=turn(pb.ROLE_TOOL, text="x")), "prompt.turns[0].parts[0]"),
        (bad(turns=turn(pb.ROLE_USER, media=pb.Media(mime_type="image/png"))), "prompt.turns[0].parts[0].media"),
        (bad(turns=[*HI, *turn(pb.ROLE_ASSISTANT, tool_call=pb.ToolCall(name="f", arguments_json="[1]"))]),
         "prompt.turns[1].parts[0].tool_call.arguments_json"),
        (bad(turns=HI, tools=[pb.ToolSpec(name="f", parameters_json_schema="{")]), "prompt.tools[0].parameters_json_schema"),
        (bad(turns=HI, output_format=pb.OutputFormat(json_schema="true")), "prompt.output_format.json_schema"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_field(request_: GenerateRequest, field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        body_of(request_)
    assert [violation.field for violation in raised.value.violations] == [field]


@pytest.mark.parametrize(
    ("media", "field"),
    [
        (pb.Media(mime_type="video/mp4", data=b"x"), "prompt.turns[0].parts[0].media.mime_type"),
        (pb.Media(mime_type="audio/wav", uri="https://a.test/b"), "prompt.turns[0].parts[0].media.uri"),
    ],
)
def test_what_another_model_may_do_is_told_apart(media: pb.Media, field: str) -> None:
    with pytest.raises(NoCapableModel) as raised:
        body_of(bad(turns=turn(pb.ROLE_USER, media=media)))
    assert [violation.field for violation in raised.value.violations] == [field]


def test_a_prefix_for_a_model_that_cannot_go_on_names_the_field() -> None:
    with pytest.raises(InvalidRequest) as raised:
        build_body(user_says("hi", answer_prefix="x"), SECTION, UNABLE)
    assert raised.value.violations[0].field == "answer_prefix"
