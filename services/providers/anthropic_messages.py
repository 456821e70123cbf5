"""Turns a request into the body of an Anthropic Messages call. Pure. What is wrong or cannot be said is an error that names the field:
InvalidRequest where the request is at fault, NoCapableModel where another model may do.

Source: Anthropic's API reference, "Create a Message", with its guides on thinking, effort, structured outputs and prefill.
"""

from base64 import b64encode

from pointsman.config.schema import CapabilityName, ModelSection
from pointsman.errors import InvalidRequest
from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.anthropic_thinking import ThinkingSupport, add_thinking
from services.providers.prompt_json import JsonObject, parse_object, part_field, unable, written

DEFAULT_MAX_TOKENS = 4_096
MAX_TEMPERATURE = 1.0
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def build_body(request: GenerateRequest, model: ModelSection, support: ThinkingSupport) -> JsonObject:
    """The whole body, streaming."""
    prompt, sampling = request.prompt, request.sampling
    body: JsonObject = {"model": request.model, "stream": True, "max_tokens": _max_tokens(sampling, model)}
    if system := _system(prompt):
        body["system"] = system
    body["messages"] = messages = _messages(prompt)
    if prefix := request.answer_prefix.rstrip():
        if CapabilityName.CONTINUE_FROM_PREFIX not in model.capabilities:
            raise InvalidRequest.of("answer_prefix", f"expected none: {model.model} lacks continue_from_prefix")
        messages.append({"role": "assistant", "content": prefix})
    _add_tools(prompt, body)
    _add_sampling(sampling, body)
    _add_output_format(prompt.output_format, model, bool(prefix), body)
    # Thinking excludes a prefilled answer.
    if sampling.reasoning_effort and CapabilityName.REASONING in model.capabilities and not prefix:
        add_thinking(request, support, body)
    return body


def _max_tokens(sampling: generation.SamplingOptions, model: ModelSection) -> int:
    if not sampling.HasField("max_output_tokens"):
        return model.max_output_tokens or DEFAULT_MAX_TOKENS
    if not sampling.max_output_tokens:
        raise InvalidRequest.of("sampling.max_output_tokens", "expected 1 or more, found 0")
    return sampling.max_output_tokens


def _system(prompt: pb.Prompt) -> list[JsonObject]:
    # The API has one place for all instructions, before the conversation.
    blocks: list[JsonObject] = []
    for number, turn in enumerate(prompt.turns):
        if turn.role != pb.ROLE_SYSTEM:
            continue
        for index, part in enumerate(turn.parts):
            if part.WhichOneof("part") != "text":
                raise InvalidRequest.of(part_field(number, index), "expected text in a turn of this role")
            blocks += _text(part.text)
    return blocks


def _messages(prompt: pb.Prompt) -> list[JsonObject]:
    """Turns of one side that follow each other become one message: all results of parallel calls must be in the same."""
    sides: list[tuple[str, list[JsonObject]]] = []
    for number, turn in enumerate(prompt.turns):
        match turn.role:
            case pb.ROLE_SYSTEM:
                continue
            case pb.ROLE_USER | pb.ROLE_TOOL:
                side = "user"
            case pb.ROLE_ASSISTANT:
                side = "assistant"
            case _:
                raise InvalidRequest.of(f"prompt.turns[{number}].role", f"expected a known role, found {turn.role}")
        blocks = [block for index, part in enumerate(turn.parts) for block in _blocks(number, index, turn.role, part)]
        if sides and sides[-1][0] == side:
            sides[-1][1].extend(blocks)
        else:
            sides.append((side, blocks))
    messages: list[JsonObject] = [{"role": side, "content": blocks} for side, blocks in sides if blocks]
    if not messages:
        raise InvalidRequest.of("prompt.turns", "expected at least one turn of the user with something in it")
    return messages


def _blocks(number: int, index: int, role: int, part: pb.Part) -> list[JsonObject]:
    field = part_field(number, index)
    match part.WhichOneof("part"), role:
        case "text", pb.ROLE_USER | pb.ROLE_ASSISTANT:
            return _text(part.text)
        case "media", pb.ROLE_USER:
            return [_media(f"{field}.media", part.media)]
        case "tool_call", pb.ROLE_ASSISTANT:
            call = part.tool_call
            arguments = parse_object(f"{field}.tool_call.arguments_json", call.arguments_json or "{}")
            return [{"type": "tool_use", "id": call.tool_call_id, "name": call.name, "input": arguments}]
        case "tool_result", pb.ROLE_TOOL:
            result = part.tool_result
            block: JsonObject = {"type": "tool_result", "tool_use_id": result.tool_call_id, "content": result.content}
            return [block | {"is_error": True}] if result.failed else [block]
        case _:
            raise InvalidRequest.of(field, f"expected a part that fits a turn of {pb.Role.Name(role)}")


def _text(text: str) -> list[JsonObject]:
    # The API refuses a block without a visible character.
    return [{"type": "text", "text": text}] if text.strip() else []


def _media(field: str, media: pb.Media) -> JsonObject:
    source, mime_type = media.WhichOneof("source"), media.mime_type
    if mime_type not in IMAGE_TYPES and mime_type != "application/pdf":
        expected = f"expected {', '.join(sorted(IMAGE_TYPES))} or application/pdf"
        raise unable(f"{field}.mime_type", f"{expected}, found {mime_type!r}")
    kind = "image" if mime_type in IMAGE_TYPES else "document"
    if source == "data":
        data = b64encode(media.data).decode()
    elif source == "uri" and media.uri.startswith("data:"):
        header, _, data = media.uri.partition(",")
        if not header.endswith(";base64"):
            raise unable(f"{field}.uri", "expected base64 in a data: uri")
    elif source == "uri" and media.uri.startswith("https://"):
        return {"type": kind, "source": {"type": "url", "url": media.uri}}
    else:
        raise unable(f"{field}.uri", "expected data, or an https: or data: uri")
    return {"type": kind, "source": {"type": "base64", "media_type": mime_type, "data": data}}


def _add_tools(prompt: pb.Prompt, body: JsonObject) -> None:
    if not prompt.tools:
        return
    tools = []
    for index, tool in enumerate(prompt.tools):
        field = f"prompt.tools[{index}].parameters_json_schema"
        schema = parse_object(field, tool.parameters_json_schema or '{"type": "object", "properties": {}}')
        described: JsonObject = {"name": tool.name, "input_schema": schema}
        if tool.description:
            described["description"] = tool.description
        tools.append(described)
    body["tools"] = tools
    match prompt.tool_choice.mode:
        case pb.ToolChoice.MODE_AUTO:
            body["tool_choice"] = {"type": "auto"}
        case pb.ToolChoice.MODE_NONE:
            body["tool_choice"] = {"type": "none"}
        case pb.ToolChoice.MODE_REQUIRED if prompt.tool_choice.name:
            body["tool_choice"] = {"type": "tool", "name": prompt.tool_choice.name}
        case pb.ToolChoice.MODE_REQUIRED:
            body["tool_choice"] = {"type": "any"}


def _add_sampling(sampling: generation.SamplingOptions, body: JsonObject) -> None:
    if sampling.HasField("temperature"):
        # The caller did not choose this API; the router did. Others go up to 2.
        body["temperature"] = written(min(sampling.temperature, MAX_TEMPERATURE))
    if sampling.HasField("top_p"):
        body["top_p"] = written(sampling.top_p)
    # A seed is a wish, and this API has none; who must have one requires CAPABILITY_SEED.
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)


def _add_output_format(output_format: pb.OutputFormat, model: ModelSection, prefilled: bool, body: JsonObject) -> None:
    match output_format.WhichOneof("format"):
        case "json" if output_format.json:
            raise unable("prompt.output_format.json", "expected a json_schema: this API has no JSON without one")
        case "json_schema":
            field = "prompt.output_format.json_schema"
            if CapabilityName.JSON_SCHEMA_OUTPUT not in model.capabilities:
                raise unable(field, f"expected none: {model.model} lacks json_schema_output")
            if prefilled:
                raise unable("answer_prefix", "expected none: this API does not combine it with a json_schema")
            schema = parse_object(field, output_format.json_schema)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
