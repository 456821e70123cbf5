"""Checks a request before anything is done for it: every fault at once, each with its field and what was expected."""

import math
import re
from collections.abc import Collection, Iterator
from itertools import chain, islice

from pydantic_core import from_json

from pointsman import errors
from pointsman.config.schema import CapabilityName
from pointsman.errors import FieldViolation
from pointsman.llm.v1 import generation_pb2, model_pb2, prompt_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.candidates import Needs
from services.router.validate_labels import check_labels, seconds_of

Request = pb.GenerateRequest | pb.CompleteRequest | pb.ExplainRequest

MAX_REQUEST_ID = 128
MAX_STOPS = 16
MAX_STOP = 256
MAX_CAPABILITIES = 64
MAX_TURNS = 10_000
# In all turns together; a part takes two bytes to send, and a hundred times as much to look at.
MAX_PARTS = 20_000
MAX_TOOLS = 512
# So many faults are told; the rest is not even looked for.
MAX_VIOLATIONS = 50
# Clients whose language has no unsigned numbers send a negative one as a number above these.
MAX_OUTPUT_TOKENS = 2**31 - 1
MAX_COST_MICROS = 2**63 - 1
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
# What the names in the contract mean in the configuration.
CAPABILITIES = {model_pb2.Capability.Value(f"CAPABILITY_{name.value.upper()}"): name for name in CapabilityName}


def check_request(
    request: Request, *, models: Collection[str], policies: Collection[str], max_prompt_bytes: int
) -> Needs:
    """Returns what the request needs; raises InvalidRequest that names all that is wrong with it."""
    if (size := request.prompt.ByteSize()) > max_prompt_bytes:
        raise errors.InvalidRequest.of("prompt", f"expected at most {max_prompt_bytes} bytes, found {size}")
    faults = chain(
        _request_id(getattr(request, "request_id", "")),
        _prompt(request.prompt),
        _sampling(request.sampling),
        _constraints(request.constraints, models, policies),
    )
    if violations := list(islice(faults, MAX_VIOLATIONS)):
        words = "; ".join(f"{v.field}: {v.description}" for v in violations[:5])
        raise errors.InvalidRequest(words, violations=violations)
    return _needs(request)


def _request_id(request_id: str) -> Iterator[FieldViolation]:
    if len(request_id) > MAX_REQUEST_ID or not request_id.isprintable():
        yield FieldViolation("request_id", f"expected at most {MAX_REQUEST_ID} printable characters")


def _prompt(prompt: prompt_pb2.Prompt) -> Iterator[FieldViolation]:
    turns = prompt.turns
    if not turns:
        yield FieldViolation("prompt.turns", "expected at least one turn")
        return
    if len(turns) > MAX_TURNS:
        yield FieldViolation("prompt.turns", f"expected at most {MAX_TURNS} turns, found {len(turns)}")
        return
    if (count := sum(len(turn.parts) for turn in turns)) > MAX_PARTS:
        yield FieldViolation("prompt.turns", f"expected at most {MAX_PARTS} parts in all, found {count}")
        return
    said = False
    for index, turn in enumerate(turns):
        where = f"prompt.turns[{index}]"
        if turn.role not in (
            prompt_pb2.ROLE_SYSTEM,
            prompt_pb2.ROLE_USER,
            prompt_pb2.ROLE_ASSISTANT,
            prompt_pb2.ROLE_TOOL,
        ):
            yield FieldViolation(f"{where}.role", f"expected system, user, assistant or tool, found {turn.role}")
        if not turn.parts:
            yield FieldViolation(f"{where}.parts", "expected at least one part")
        for number, part in enumerate(turn.parts):
            yield from _part(part, f"{where}.parts[{number}]")
            said = said or part.WhichOneof("part") != "text" or bool(part.text.strip())
    if not said and all(turn.parts for turn in turns):
        yield FieldViolation("prompt", "expected some text; all of it is empty")
    if turns[-1].role in (prompt_pb2.ROLE_SYSTEM, prompt_pb2.ROLE_ASSISTANT):
        yield FieldViolation(
            f"prompt.turns[{len(turns) - 1}].role", "expected the last turn to be the user's or a tool's"
        )
    yield from _tools(prompt)


def _part(part: prompt_pb2.Part, where: str) -> Iterator[FieldViolation]:
    match part.WhichOneof("part"):
        case None:
            yield FieldViolation(where, "expected text, media, tool_call or tool_result")
        case "media":
            if not MIME_TYPE.fullmatch(part.media.mime_type):
                yield FieldViolation(
                    f"{where}.media.mime_type", f"expected type/subtype, found {part.media.mime_type[:80]!r}"
                )
            if not (part.media.data or part.media.uri):
                yield FieldViolation(f"{where}.media", "expected data or uri")
        case "tool_call":
            if not part.tool_call.name:
                yield FieldViolation(f"{where}.tool_call.name", "expected a tool's name")
            if not isinstance(_json(part.tool_call.arguments_json or "{}"), dict):
                yield FieldViolation(f"{where}.tool_call.arguments_json", "expected a JSON object")
        case "tool_result" if not part.tool_result.tool_call_id:
            yield FieldViolation(f"{where}.tool_result.tool_call_id", "expected the id of the call that it answers")


def _tools(prompt: prompt_pb2.Prompt) -> Iterator[FieldViolation]:
    if len(prompt.tools) > MAX_TOOLS:
        yield FieldViolation("prompt.tools", f"expected at most {MAX_TOOLS} tools, found {len(prompt.tools)}")
        return
    names: set[str] = set()
    for index, tool in enumerate(prompt.tools):
        where = f"prompt.tools[{index}]"
        if not TOOL_NAME.fullmatch(tool.name):
            yield FieldViolation(f"{where}.name", "expected 1 to 64 letters, digits, _ or -")
        elif tool.name in names:
            yield FieldViolation(f"{where}.name", f"expected each name once, {tool.name!r} is given twice")
        names.add(tool.name)
        if tool.parameters_json_schema and not isinstance(_json(tool.parameters_json_schema), dict):
            yield FieldViolation(f"{where}.parameters_json_schema", "expected a JSON Schema object")
    choice = prompt.tool_choice
    if choice.mode not in prompt_pb2.ToolChoice.Mode.values():
        yield FieldViolation("prompt.tool_choice.mode", f"expected auto, none or required, found {choice.mode}")
    if choice.name and choice.mode != prompt_pb2.ToolChoice.MODE_REQUIRED:
        yield FieldViolation("prompt.tool_choice.name", "expected only with mode required")
    if choice.name and choice.name not in names:
        yield FieldViolation("prompt.tool_choice.name", f"expected one of the tools, found {choice.name[:80]!r}")
    if choice.mode == prompt_pb2.ToolChoice.MODE_REQUIRED and not prompt.tools:
        yield FieldViolation("prompt.tool_choice.mode", "expected tools with mode required")
    if prompt.output_format.WhichOneof("format") == "json_schema" and not isinstance(
        _json(prompt.output_format.json_schema), dict
    ):
        yield FieldViolation("prompt.output_format.json_schema", "expected a JSON Schema object")


def _sampling(sampling: generation_pb2.SamplingOptions) -> Iterator[FieldViolation]:
    if sampling.HasField("max_output_tokens") and sampling.max_output_tokens < 1:
        yield FieldViolation("sampling.max_output_tokens", "expected 1 or more, found 0")
    yield from _not_negative("sampling.max_output_tokens", sampling.max_output_tokens, MAX_OUTPUT_TOKENS)
    if sampling.HasField("temperature") and not (
        math.isfinite(sampling.temperature) and 0 <= sampling.temperature <= 2
    ):
        yield FieldViolation("sampling.temperature", f"expected 0 to 2, found {sampling.temperature:g}")
    if sampling.HasField("top_p") and not (math.isfinite(sampling.top_p) and 0 < sampling.top_p <= 1):
        yield FieldViolation("sampling.top_p", f"expected above 0 and at most 1, found {sampling.top_p:g}")
    if len(sampling.stop) > MAX_STOPS:
        yield FieldViolation("sampling.stop", f"expected at most {MAX_STOPS} strings, found {len(sampling.stop)}")
    for index, stop in enumerate(sampling.stop[:MAX_STOPS]):
        if not stop:
            yield FieldViolation(f"sampling.stop[{index}]", "expected some text")
        elif len(stop) > MAX_STOP:
            yield FieldViolation(
                f"sampling.stop[{index}]", f"expected at most {MAX_STOP} characters, found {len(stop)}"
            )
    if sampling.reasoning_effort not in generation_pb2.ReasoningEffort.values():
        yield FieldViolation("sampling.reasoning_effort", f"expected a known effort, found {sampling.reasoning_effort}")


def _constraints(
    constraints: pb.RoutingConstraints, models: Collection[str], policies: Collection[str]
) -> Iterator[FieldViolation]:
    if constraints.policy and constraints.policy not in policies:
        known = ", ".join(sorted(policies))
        yield FieldViolation("constraints.policy", f"expected one of {known}, found {constraints.policy[:80]!r}")
    if constraints.HasField("pinned_model") and (pinned := _reference(constraints.pinned_model)) not in models:
        known = ", ".join(sorted(models)[:20])
        yield FieldViolation("constraints.pinned_model", f"expected one of {known}, found {pinned[:120]!r}")
    yield from _not_negative("constraints.max_cost_micros", constraints.max_cost_micros, MAX_COST_MICROS)
    if (count := len(constraints.required_capabilities)) > MAX_CAPABILITIES:
        yield FieldViolation("constraints.required_capabilities", f"expected at most {MAX_CAPABILITIES}, found {count}")
    for index, capability in enumerate(constraints.required_capabilities[:MAX_CAPABILITIES]):
        if capability not in CAPABILITIES:
            yield FieldViolation(
                f"constraints.required_capabilities[{index}]", f"expected a known one, found {capability}"
            )
    if constraints.switch_mode not in pb.SwitchMode.values():
        yield FieldViolation("constraints.switch_mode", f"expected a known mode, found {constraints.switch_mode}")
    if len(constraints.session_key) > MAX_REQUEST_ID:
        yield FieldViolation("constraints.session_key", f"expected at most {MAX_REQUEST_ID} characters")
    yield from check_labels(constraints)


def _not_negative(field: str, value: int, most: int) -> Iterator[FieldViolation]:
    if value > most:
        yield FieldViolation(field, f"expected at most {most}, found {value}; a negative number is read so")


def _needs(request: Request) -> Needs:
    prompt, constraints = request.prompt, request.constraints
    needed = {CAPABILITIES[capability] for capability in constraints.required_capabilities}
    if prompt.tools:
        needed.add(CapabilityName.TOOLS)
    match prompt.output_format.WhichOneof("format"):
        case "json" if prompt.output_format.json:
            needed.add(CapabilityName.JSON_OUTPUT)
        case "json_schema":
            needed.add(CapabilityName.JSON_SCHEMA_OUTPUT)
    if any(part.WhichOneof("part") == "media" for turn in prompt.turns for part in turn.parts):
        needed.add(CapabilityName.IMAGE_INPUT)
    sampling = request.sampling
    return Needs(
        capabilities=frozenset(needed),
        pinned=_reference(constraints.pinned_model) if constraints.HasField("pinned_model") else "",
        max_cost_micros=constraints.max_cost_micros if constraints.HasField("max_cost_micros") else None,
        wanted_output_tokens=sampling.max_output_tokens if sampling.HasField("max_output_tokens") else None,
        data_class=constraints.data_class,
        max_first_token_s=seconds_of(constraints.max_first_token_time)
        if constraints.HasField("max_first_token_time")
        else None,
        min_tokens_per_second=constraints.min_tokens_per_second
        if constraints.HasField("min_tokens_per_second")
        else None,
    )


def _reference(ref: model_pb2.ModelRef) -> str:
    return f"{ref.provider}/{ref.model}"


def _json(text: str) -> object:
    """None for what is no JSON: by the same reader as the providers', which takes no NaN and no half of a surrogate pair."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
