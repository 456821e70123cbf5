"""Requests of every kind, built by Hypothesis, that both HTTP adapters must be able to say in their API's words."""

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from pointsman.config.schema import CapabilityName, ModelSection
from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1 import prompt_pb2 as pb
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest

ABLE = ModelSection(provider="p", model="m", quality=0.5, capabilities=frozenset(CapabilityName))
UNABLE = ModelSection(provider="p", model="m", quality=0.5)
TEXTS = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() != "")
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
OBJECTS = st.dictionaries(NAMES, st.one_of(st.integers(-9, 9), TEXTS, st.lists(TEXTS, max_size=2)), max_size=3)
SCHEMAS = st.dictionaries(NAMES, st.sampled_from([{"type": "string"}, {"type": "integer"}]), max_size=3).map(
    lambda properties: json.dumps({"type": "object", "properties": properties, "additionalProperties": False})
)
MEDIA = st.one_of(
    st.builds(
        pb.Media, mime_type=st.sampled_from(["image/png", "image/jpeg"]), data=st.binary(min_size=1, max_size=20)
    ),
    st.builds(pb.Media, mime_type=st.just("image/webp"), uri=st.just("https://images.test/a.webp")),
    st.builds(pb.Media, mime_type=st.just("image/png"), uri=st.just("data:image/png;base64,AAAA")),
    st.builds(pb.Media, mime_type=st.just("application/pdf"), data=st.binary(min_size=1, max_size=20)),
)


def _text_parts(texts: Sequence[str]) -> list[pb.Part]:
    return [pb.Part(text=text) for text in texts]


@st.composite
def _rounds(draw: st.DrawFn) -> list[pb.Turn]:
    """A user's turn, and the assistant's answer with perhaps some calls and their results, one turn for each or one for all."""
    parts = _text_parts(draw(st.lists(TEXTS, min_size=1, max_size=2)))
    parts += [pb.Part(media=media) for media in draw(st.lists(MEDIA, max_size=2))]
    calls = [
        pb.ToolCall(tool_call_id=f"call_{n}", name=draw(NAMES), arguments_json=json.dumps(draw(OBJECTS)))
        for n in range(draw(st.integers(0, 2)))
    ]
    answer = _text_parts(draw(st.lists(TEXTS, min_size=0 if calls else 1, max_size=1)))
    answer += [pb.Part(tool_call=call) for call in calls]
    results = [
        pb.Part(tool_result=pb.ToolResult(tool_call_id=c.tool_call_id, content=draw(TEXTS), failed=draw(st.booleans())))
        for c in calls
    ]
    turns = [pb.Turn(role=pb.ROLE_USER, parts=parts), pb.Turn(role=pb.ROLE_ASSISTANT, parts=answer)]
    in_one_turn: bool = draw(st.booleans())
    if results and in_one_turn:
        return [*turns, pb.Turn(role=pb.ROLE_TOOL, parts=results)]
    return turns + [pb.Turn(role=pb.ROLE_TOOL, parts=[result]) for result in results]


@st.composite
def _prompts(draw: st.DrawFn) -> pb.Prompt:
    system = [pb.Turn(role=pb.ROLE_SYSTEM, parts=_text_parts([text])) for text in draw(st.lists(TEXTS, max_size=2))]
    rounds = [turn for turns in draw(st.lists(_rounds(), max_size=2)) for turn in turns]
    last = pb.Turn(role=pb.ROLE_USER, parts=_text_parts([draw(TEXTS)]))
    tools = [
        pb.ToolSpec(name=name, description=draw(st.one_of(st.just(""), TEXTS)), parameters_json_schema=draw(SCHEMAS))
        for name in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    modes = [
        pb.ToolChoice.MODE_UNSPECIFIED,
        pb.ToolChoice.MODE_AUTO,
        pb.ToolChoice.MODE_NONE,
        pb.ToolChoice.MODE_REQUIRED,
    ]
    choice = pb.ToolChoice(mode=draw(st.sampled_from(modes)))
    if tools and choice.mode == pb.ToolChoice.MODE_REQUIRED and draw(st.booleans()):
        choice.name = tools[0].name
    output = pb.OutputFormat(json_schema=draw(SCHEMAS)) if draw(st.booleans()) else None
    return pb.Prompt(turns=[*system, *rounds, last], tools=tools, tool_choice=choice, output_format=output)


@st.composite
def _samplings(draw: st.DrawFn) -> generation.SamplingOptions:
    def maybe(strategy: st.SearchStrategy[float]) -> float | None:
        return draw(st.none() | strategy)

    limit = draw(st.none() | st.integers(1, 100_000))
    return generation.SamplingOptions(
        max_output_tokens=limit,
        temperature=maybe(st.floats(0, 2, width=32)),
        top_p=maybe(st.floats(0, 1, width=32)),
        stop=draw(st.lists(TEXTS, max_size=3)),
        reasoning_effort=draw(st.sampled_from(generation.ReasoningEffort.keys())),
    )


REQUESTS = st.builds(GenerateRequest, model=st.just("m"), prompt=_prompts(), sampling=_samplings())


def user_says(text: str, **fields: object) -> GenerateRequest:
    """The simplest request, with other fields of GenerateRequest as given."""
    prompt = pb.Prompt(turns=[pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text=text)])])
    return GenerateRequest(model="m", prompt=prompt, **fields)  # type: ignore[arg-type]
