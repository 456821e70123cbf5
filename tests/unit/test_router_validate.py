"""What a client may ask: each fault is told by field and by what was expected."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import errors
from pointsman.config.schema import CapabilityName
from pointsman.llm.v1 import model_pb2, prompt_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.candidates import Needs
from services.router.validate import Request, check_request

MODELS, POLICIES = {"openai/gpt", "triton/tiny"}, {"balanced", "economy"}
LIMIT = 8 * 1024 * 1024
DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


def ask() -> pb.GenerateRequest:
    """A request that is as it should be."""
    turn = prompt_pb2.Turn(role=prompt_pb2.ROLE_USER, parts=[prompt_pb2.Part(text="Why?")])
    return pb.GenerateRequest(prompt=prompt_pb2.Prompt(turns=[turn]))


def check(request: Request) -> Needs:
    return check_request(request, models=MODELS, policies=POLICIES, max_prompt_bytes=LIMIT)


def part(request: pb.GenerateRequest) -> prompt_pb2.Part:
    return request.prompt.turns[0].parts[0]


def tool(request: pb.GenerateRequest, schema: str, name: str = "look_up") -> prompt_pb2.ToolSpec:
    return request.prompt.tools.add(name=name, parameters_json_schema=schema)


def media(request: pb.GenerateRequest, mime_type: str, data: bytes) -> None:
    part(request).media.mime_type = mime_type
    if data:
        part(request).media.data = data


def call_tool(request: pb.GenerateRequest, name: str, arguments: str) -> None:
    turn = request.prompt.turns.add(role=prompt_pb2.ROLE_ASSISTANT)
    turn.parts.add(tool_call=prompt_pb2.ToolCall(tool_call_id="1", name=name, arguments_json=arguments))
    request.prompt.turns.add(role=prompt_pb2.ROLE_USER).parts.add(text="go on")


def answer_tool(request: pb.GenerateRequest, tool_call_id: str) -> None:
    turn = request.prompt.turns.add(role=prompt_pb2.ROLE_TOOL)
    turn.parts.add(tool_result=prompt_pb2.ToolResult(tool_call_id=tool_call_id, content="42"))


def choose(request: pb.GenerateRequest, mode: int, name: str = "", schema: str | None = None) -> None:
    if schema is not None:
        tool(request, schema)
    request.prompt.tool_choice.mode = mode  # type: ignore[assignment]
    request.prompt.tool_choice.name = name


def pin(request: pb.GenerateRequest, provider: str, model: str) -> None:
    request.constraints.pinned_model.CopyFrom(model_pb2.ModelRef(provider=provider, model=model))


# What is done to a good request, the field that is named, and the words.
FAULTS: list[tuple[Callable[[pb.GenerateRequest], object], str, str]] = [
    (lambda r: r.ClearField("prompt"), "prompt.turns", "expected at least one turn"),
    (lambda r: setattr(part(r), "text", ""), "prompt", "expected some text; all of it is empty"),
    (lambda r: setattr(part(r), "text", " \n\t\u3000"), "prompt", "expected some text; all of it is empty"),
    (lambda r: setattr(part(r), "text", "a" * 50 * 1024 * 1024), "prompt", f"expected at most {LIMIT} bytes, found 524"),
    (lambda r: r.prompt.turns[0].ClearField("parts"), "prompt.turns[0].parts", "expected at least one part"),
    (lambda r: part(r).ClearField("text"), "prompt.turns[0].parts[0]", "expected text, media, tool_call or tool_result"),
    (lambda r: r.prompt.turns.extend([r.prompt.turns[0]] * 10_000), "prompt.turns", "expected at most 10000 turns"),
    (
        lambda r: r.prompt.turns[0].parts.extend([prompt_pb2.Part()] * 3_000_000),
        "prompt.turns",
        "expected at most 20000 parts in all, found 3000001",
    ),
    (
        lambda r: setattr(r.prompt.turns[0], "role", 0),
        "prompt.turns[0].role",
        "expected system, user, assistant or tool, found 0",
    ),
    (lambda r: setattr(r.prompt.turns[0], "role", 99), "prompt.turns[0].role", "found 99"),
    (
        lambda r: setattr(r.prompt.turns[0], "role", prompt_pb2.ROLE_ASSISTANT),
        "prompt.turns[0].role",
        "expected the last turn to be the user's or a tool's",
    ),
    (lambda r: media(r, "a picture", b"x"), "prompt.turns[0].parts[0].media.mime_type", "expected type/subtype"),
    (lambda r: media(r, "image/png", b""), "prompt.turns[0].parts[0].media", "expected data or uri"),
    (
        lambda r: part(r).media.MergeFrom(prompt_pb2.Media(mime_type="image/png", data=b"")),
        "prompt.turns[0].parts[0].media",
        "expected data or uri",
    ),
    (lambda r: call_tool(r, "", "{}"), "prompt.turns[1].parts[0].tool_call.name", "expected a tool's name"),
    (lambda r: call_tool(r, "f", "{"), "prompt.turns[1].parts[0].tool_call.arguments_json", "expected a JSON object"),
    (lambda r: call_tool(r, "f", "[1]"), "prompt.turns[1].parts[0].tool_call.arguments_json", "expected a JSON object"),
    (lambda r: answer_tool(r, ""), "prompt.turns[1].parts[0].tool_result.tool_call_id", "expected the id of the call"),
    (lambda r: tool(r, "not json"), "prompt.tools[0].parameters_json_schema", "expected a JSON Schema object"),
    (lambda r: tool(r, "[]"), "prompt.tools[0].parameters_json_schema", "expected a JSON Schema object"),
    (lambda r: tool(r, '{"a": NaN}'), "prompt.tools[0].parameters_json_schema", "expected a JSON Schema object"),
    (lambda r: tool(r, '{"a": "\\ud800"}'), "prompt.tools[0].parameters_json_schema", "expected a JSON Schema object"),
    (lambda r: tool(r, DEEP), "prompt.tools[0].parameters_json_schema", "expected a JSON Schema object"),
    (lambda r: tool(r, "{}", "a name"), "prompt.tools[0].name", "expected 1 to 64 letters, digits, _ or -"),
    (lambda r: tool(r, "{}", "name\n"), "prompt.tools[0].name", "expected 1 to 64 letters, digits, _ or -"),
    (lambda r: [tool(r, "{}"), tool(r, "{}")], "prompt.tools[1].name", "expected each name once, 'look_up' is given twice"),
    (lambda r: [tool(r, "{}", f"f{n}") for n in range(513)], "prompt.tools", "expected at most 512 tools, found 513"),
    (lambda r: choose(r, 42, schema="{}"), "prompt.tool_choice.mode", "expected auto, none or required, found 42"),
    (lambda r: choose(r, prompt_pb2.ToolChoice.MODE_REQUIRED), "prompt.tool_choice.mode", "expected tools with mode required"),
    (
        lambda r: choose(r, prompt_pb2.ToolChoice.MODE_REQUIRED, "other", "{}"),
        "prompt.tool_choice.name",
        "expected one of the tools, found 'other'",
    ),
    (
        lambda r: choose(r, prompt_pb2.ToolChoice.MODE_AUTO, "look_up", "{}"),
        "prompt.tool_choice.name",
        "expected only with mode required",
    ),
    (
        lambda r: setattr(r.prompt.output_format, "json_schema", "{"),
        "prompt.output_format.json_schema",
        "expected a JSON Schema object",
    ),
    (lambda r: setattr(r.sampling, "max_output_tokens", 0), "sampling.max_output_tokens", "expected 1 or more, found 0"),
    (
        lambda r: setattr(r.sampling, "max_output_tokens", 2**32 - 1),
        "sampling.max_output_tokens",
        "expected at most 2147483647, found 4294967295; a negative number is read so",
    ),
    (lambda r: setattr(r.sampling, "temperature", -0.5), "sampling.temperature", "expected 0 to 2, found -0.5"),
    (lambda r: setattr(r.sampling, "temperature", math.nan), "sampling.temperature", "expected 0 to 2, found nan"),
    (lambda r: setattr(r.sampling, "temperature", math.inf), "sampling.temperature", "expected 0 to 2, found inf"),
    (lambda r: setattr(r.sampling, "top_p", 0.0), "sampling.top_p", "expected above 0 and at most 1, found 0"),
    (lambda r: setattr(r.sampling, "top_p", 1.5), "sampling.top_p", "expected above 0 and at most 1, found 1.5"),
    (lambda r: r.sampling.stop.extend("x" * 17), "sampling.stop", "expected at most 16 strings, found 17"),
    (lambda r: r.sampling.stop.append(""), "sampling.stop[0]", "expected some text"),
    (lambda r: r.sampling.stop.append("x" * 257), "sampling.stop[0]", "expected at most 256 characters, found 257"),
    (
        lambda r: setattr(r.sampling, "reasoning_effort", 77),
        "sampling.reasoning_effort",
        "expected a known effort, found 77",
    ),
    (
        lambda r: setattr(r.constraints, "policy", "cheap"),
        "constraints.policy",
        "expected one of balanced, economy, found 'cheap'",
    ),
    (
        lambda r: setattr(r.constraints, "max_cost_micros", 2**64 - 2),
        "constraints.max_cost_micros",
        "found 18446744073709551614; a negative number is read so",
    ),
    (
        lambda r: pin(r, "openai", "gtp"),
        "constraints.pinned_model",
        "expected one of openai/gpt, triton/tiny, found 'openai/gtp'",
    ),
    (lambda r: pin(r, "", ""), "constraints.pinned_model", "found '/'"),
    (
        lambda r: r.constraints.required_capabilities.extend([model_pb2.CAPABILITY_TOOLS, 55]),  # type: ignore[list-item]
        "constraints.required_capabilities[1]",
        "expected a known one, found 55",
    ),
    (
        lambda r: r.constraints.required_capabilities.append(model_pb2.CAPABILITY_UNSPECIFIED),
        "constraints.required_capabilities[0]",
        "expected a known one, found 0",
    ),
    (
        lambda r: r.constraints.required_capabilities.extend([model_pb2.CAPABILITY_TOOLS] * 65),
        "constraints.required_capabilities",
        "expected at most 64, found 65",
    ),
    (lambda r: setattr(r.constraints, "switch_mode", 9), "constraints.switch_mode", "expected a known mode, found 9"),
    (lambda r: setattr(r.constraints, "session_key", "k" * 129), "constraints.session_key", "expected at most 128 characters"),
    (lambda r: setattr(r, "request_id", "i" * 129), "request_id", "expected at most 128 printable characters"),
    (lambda r: setattr(r, "request_id", "a\nb"), "request_id", "expected at most 128 printable characters"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "field", "words"), FAULTS, ids=[f"{n}-{fault[1]}" for n, fault in enumerate(FAULTS)])
def test_each_fault_is_told_by_its_field_and_what_was_expected(
    spoil: Callable[[pb.GenerateRequest], object], field: str, words: str
) -> None:
    request = ask()
    spoil(request)
    with pytest.raises(errors.InvalidRequest) as raised:
        check(request)
    told = {violation.field: violation.description for violation in raised.value.violations}
    assert list(told) == [field]
    assert words in told[field]
    assert field in raised.value.message


def test_all_faults_are_told_at_once() -> None:
    request = pb.GenerateRequest(request_id="\x00")
    request.sampling.top_p = 3
    request.constraints.policy = "cheap"
    with pytest.raises(errors.InvalidRequest) as raised:
        check(request)
    fields = [violation.field for violation in raised.value.violations]
    assert fields == ["request_id", "prompt.turns", "sampling.top_p", "constraints.policy"]


def test_however_much_is_wrong_the_error_stays_small() -> None:
    request = ask()
    for _ in range(9_000):
        request.prompt.turns.add(role=prompt_pb2.ROLE_USER)
    with pytest.raises(errors.InvalidRequest) as raised:
        check(request)
    assert len(raised.value.violations) == 50
    assert len(raised.value.message) < 1_000


@pytest.mark.parametrize("kind", [pb.GenerateRequest, pb.CompleteRequest, pb.ExplainRequest])
def test_a_plain_request_needs_nothing(kind: type[Request]) -> None:
    assert check(kind(prompt=ask().prompt)) == Needs(
        capabilities=frozenset(), pinned="", max_cost_micros=None, wanted_output_tokens=None
    )


def test_what_a_request_holds_is_what_a_model_must_be_able_to_do() -> None:
    request = ask()
    tool(request, '{"type": "object"}')
    media(request, "image/png", b"x")
    request.prompt.turns[0].parts.add(text="What is on it?")
    request.prompt.output_format.json_schema = '{"type": "object"}'
    request.constraints.required_capabilities.append(model_pb2.CAPABILITY_SEED)
    request.constraints.max_cost_micros = 0
    request.sampling.max_output_tokens = 7
    pin(request, "triton", "tiny")
    assert check(request) == Needs(
        capabilities=frozenset(
            {
                CapabilityName.TOOLS,
                CapabilityName.IMAGE_INPUT,
                CapabilityName.JSON_SCHEMA_OUTPUT,
                CapabilityName.SEED,
            }
        ),
        pinned="triton/tiny",
        max_cost_micros=0,
        wanted_output_tokens=7,
    )


def test_an_image_alone_is_a_prompt() -> None:
    request = ask()
    media(request, "image/svg+xml", b"x")
    assert check(request).capabilities == {CapabilityName.IMAGE_INPUT}


@given(st.binary(max_size=200))
def test_whatever_decodes_is_taken_or_refused_in_words(data: bytes) -> None:
    request = pb.GenerateRequest()
    try:
        request.MergeFromString(data)
    except Exception:  # noqa: BLE001 - bytes that are no message are another test's
        return
    try:
        check(request)
    except errors.InvalidRequest as error:
        assert error.violations
