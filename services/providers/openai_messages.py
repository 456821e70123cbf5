"""Turns a request into the body of a chat completions call. Pure. What is wrong or cannot be said is an error that names the field:
InvalidRequest where the request is at fault, NoCapableModel where another model may do.

Source: OpenAI's API reference, "Create chat completion"; DeepSeek, Mistral and vLLM for how an answer is continued.
"""

from base64 import b64encode
from typing import assert_never

from pointsman.config.schema import AnswerPrefixStyle, CapabilityName, ModelSection, OpenAiHttpSection
from pointsman.errors import InvalidRequest
from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.prompt_json import JsonObject, data_url, parse_object, part_field, unable, written

EFFORTS = {
    generation.REASONING_EFFORT_NONE: "none",
    generation.REASONING_EFFORT_LOW: "low",
    generation.REASONING_EFFORT_MEDIUM: "medium",
    generation.REASONING_EFFORT_HIGH: "high",
}
AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def build_body(request: GenerateRequest, section: OpenAiHttpSection, model: ModelSection) -> JsonObject:
    """The whole body, streaming."""
    body: JsonObject = {"model": request.model, "stream": True}
    if section.stream_usage:
        body["stream_options"] = {"include_usage": True}
    body["messages"] = messages = _messages(request.prompt)
    if request.answer_prefix:
        _continue(request.answer_prefix, section.answer_prefix_style, model, messages, body)
    _add_tools(request.prompt, body)
    _add_output_format(request.prompt.output_format, body)
    _add_sampling(request.sampling, section, model, body)
    return body


def _messages(prompt: pb.Prompt) -> list[JsonObject]:
    messages: list[JsonObject] = []
    for number, turn in enumerate(prompt.turns):
        match turn.role:
            case pb.ROLE_SYSTEM:
                messages.append({"role": "system", "content": "\n\n".join(_texts(number, turn))})
            case pb.ROLE_USER:
                messages.append({"role": "user", "content": _user_content(number, turn)})
            case pb.ROLE_ASSISTANT:
                messages.append(_assistant_message(number, turn))
            case pb.ROLE_TOOL:
                messages += _tool_messages(number, turn)
            case _:
                raise InvalidRequest.of(f"prompt.turns[{number}].role", f"expected a known role, found {turn.role}")
    if not messages:
        raise InvalidRequest.of("prompt.turns", "expected at least one turn")
    return messages


def _texts(number: int, turn: pb.Turn) -> list[str]:
    for index, part in enumerate(turn.parts):
        if part.WhichOneof("part") != "text":
            raise InvalidRequest.of(part_field(number, index), "expected text in a turn of this role")
    return [part.text for part in turn.parts]


def _user_content(number: int, turn: pb.Turn) -> str | list[JsonObject]:
    # Many compatible servers take plain text alone.
    if all(part.WhichOneof("part") == "text" for part in turn.parts):
        return "\n\n".join(part.text for part in turn.parts)
    content: list[JsonObject] = []
    for index, part in enumerate(turn.parts):
        match part.WhichOneof("part"):
            case "text":
                content.append({"type": "text", "text": part.text})
            case "media":
                content.append(_media(f"{part_field(number, index)}.media", part.media))
            case _:
                raise InvalidRequest.of(part_field(number, index), "expected text or media in a user's turn")
    return content


def _media(field: str, media: pb.Media) -> JsonObject:
    source, mime_type = media.WhichOneof("source"), media.mime_type
    if source is None:
        raise InvalidRequest.of(field, "expected data or a uri")
    if mime_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": media.uri if source == "uri" else data_url(media)}}
    if source == "uri":
        raise unable(f"{field}.uri", f"expected data: this API takes a uri for images only, not for {mime_type!r}")
    if mime_type in AUDIO_FORMATS:
        audio = {"data": b64encode(media.data).decode(), "format": AUDIO_FORMATS[mime_type]}
        return {"type": "input_audio", "input_audio": audio}
    if mime_type == "application/pdf":
        return {"type": "file", "file": {"filename": "document.pdf", "file_data": data_url(media)}}
    expected = "expected image/*, audio/wav, audio/mpeg or application/pdf"
    raise unable(f"{field}.mime_type", f"{expected}, found {mime_type!r}")


def _assistant_message(number: int, turn: pb.Turn) -> JsonObject:
    texts, calls = [], []
    for index, part in enumerate(turn.parts):
        match part.WhichOneof("part"):
            case "text":
                texts.append(part.text)
            case "tool_call":
                call = part.tool_call
                arguments = call.arguments_json or "{}"
                parse_object(f"{part_field(number, index)}.tool_call.arguments_json", arguments)
                function = {"name": call.name, "arguments": arguments}
                calls.append({"id": call.tool_call_id, "type": "function", "function": function})
            case _:
                raise InvalidRequest.of(
                    part_field(number, index), "expected text or a tool_call in an assistant's turn"
                )
    message: JsonObject = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    return message


def _tool_messages(number: int, turn: pb.Turn) -> list[JsonObject]:
    messages: list[JsonObject] = []
    for index, part in enumerate(turn.parts):
        if part.WhichOneof("part") != "tool_result":
            raise InvalidRequest.of(part_field(number, index), "expected a tool_result in a tool's turn")
        result = part.tool_result
        # The API has no field for a failure; the model must read of it.
        content = f"Error: {result.content}" if result.failed else result.content
        messages.append({"role": "tool", "tool_call_id": result.tool_call_id, "content": content})
    return messages


def _continue(
    prefix: str, style: AnswerPrefixStyle, model: ModelSection, messages: list[JsonObject], body: JsonObject
) -> None:
    if CapabilityName.CONTINUE_FROM_PREFIX not in model.capabilities:
        raise InvalidRequest.of("answer_prefix", f"expected none: {model.model} lacks continue_from_prefix")
    message: JsonObject = {"role": "assistant", "content": prefix}
    messages.append(message)
    match style:
        case AnswerPrefixStyle.PLAIN:
            pass
        case AnswerPrefixStyle.PREFIX_FLAG:
            message["prefix"] = True
        case AnswerPrefixStyle.CONTINUE_FINAL_MESSAGE:
            body["continue_final_message"] = True
            body["add_generation_prompt"] = False
        case unreachable:
            assert_never(unreachable)


def _add_tools(prompt: pb.Prompt, body: JsonObject) -> None:
    if not prompt.tools:
        return
    tools = []
    for index, tool in enumerate(prompt.tools):
        function: JsonObject = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        if tool.parameters_json_schema:
            field = f"prompt.tools[{index}].parameters_json_schema"
            function["parameters"] = parse_object(field, tool.parameters_json_schema)
        tools.append({"type": "function", "function": function})
    body["tools"] = tools
    match prompt.tool_choice.mode:
        case pb.ToolChoice.MODE_AUTO:
            body["tool_choice"] = "auto"
        case pb.ToolChoice.MODE_NONE:
            body["tool_choice"] = "none"
        case pb.ToolChoice.MODE_REQUIRED if prompt.tool_choice.name:
            body["tool_choice"] = {"type": "function", "function": {"name": prompt.tool_choice.name}}
        case pb.ToolChoice.MODE_REQUIRED:
            body["tool_choice"] = "required"


def _add_output_format(output_format: pb.OutputFormat, body: JsonObject) -> None:
    match output_format.WhichOneof("format"):
        case "json" if output_format.json:
            body["response_format"] = {"type": "json_object"}
        case "json_schema":
            schema = parse_object("prompt.output_format.json_schema", output_format.json_schema)
            # Without `strict` an answer that breaks the schema is possible, and the contract promises that it is not.
            json_schema = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": json_schema}


def _add_sampling(
    sampling: generation.SamplingOptions, section: OpenAiHttpSection, model: ModelSection, body: JsonObject
) -> None:
    if sampling.HasField("max_output_tokens"):
        body[section.max_tokens_field] = sampling.max_output_tokens
    if sampling.HasField("temperature"):
        body["temperature"] = written(sampling.temperature)
    if sampling.HasField("top_p"):
        body["top_p"] = written(sampling.top_p)
    # A seed is a wish, for the models that take one; some APIs refuse the field.
    if sampling.HasField("seed") and CapabilityName.SEED in model.capabilities:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    # Asks a reasoning model for more or less thought; another model has none to give, and its API may refuse the field.
    if sampling.reasoning_effort and CapabilityName.REASONING in model.capabilities:
        body["reasoning_effort"] = EFFORTS[sampling.reasoning_effort]
