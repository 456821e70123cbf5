"""What of a conversation is judged, and what is only counted."""

from pointsman.llm.v1 import prompt_pb2 as pb
from services.classifier.prompt_text import READ_TURNS, TOKENS_PER_MEDIA, read_prompt


def turn(role: pb.Role, text: str) -> pb.Turn:
    return pb.Turn(role=role, parts=[pb.Part(text=text)])


def test_the_last_user_turn_is_judged_with_what_surrounds_it_and_the_rest_is_counted() -> None:
    found = read_prompt(
        pb.Prompt(
            turns=[
                turn(pb.ROLE_SYSTEM, "You are terse."),
                turn(pb.ROLE_USER, "What is the capital of Peru, by the way?"),
                turn(pb.ROLE_ASSISTANT, "Lima."),
                turn(pb.ROLE_USER, "And how many people live in that city?"),
            ],
            tools=[pb.ToolSpec(name="search", description="finds pages", parameters_json_schema="{}")],
        )
    )
    assert found.judged == "System: You are terse.\n\nAnd how many people live in that city?\n\nTools: search"
    assert found.spoken == "And how many people live in that city?"
    assert "Lima." in found.counted
    assert "finds pages" in found.counted


def test_a_turn_too_short_to_stand_alone_is_judged_with_the_one_before() -> None:
    found = read_prompt(
        pb.Prompt(turns=[turn(pb.ROLE_USER, "write a haiku about rain"), turn(pb.ROLE_USER, "shorter")])
    )
    assert found.judged == "write a haiku about rain\nshorter"
    assert found.counted == ""
    assert found.spoken is None


def test_of_a_long_system_prompt_the_head_is_judged_and_the_rest_counted() -> None:
    found = read_prompt(
        pb.Prompt(turns=[turn(pb.ROLE_SYSTEM, "rule " * 100_000), turn(pb.ROLE_USER, "What is the capital of Peru?")])
    )
    assert len(found.judged) < 250
    assert found.judged.endswith("What is the capital of Peru?")
    assert len(found.counted) > 499_000


def test_tool_results_and_calls_are_counted() -> None:
    parts = [
        pb.Part(tool_call=pb.ToolCall(name="f", arguments_json='{"q": 1}')),
        pb.Part(tool_result=pb.ToolResult(content="forty-two")),
    ]
    found = read_prompt(
        pb.Prompt(
            turns=[turn(pb.ROLE_USER, "What does the tool say about it?"), pb.Turn(role=pb.ROLE_TOOL, parts=parts)]
        )
    )
    assert '{"q": 1}' in found.counted
    assert "forty-two" in found.counted
    assert found.judged.endswith("\n\nAttached: 1 tool result")


def test_media_cost_tokens() -> None:
    image = pb.Part(media=pb.Media(mime_type="image/png", data=b"x"))
    prompt = pb.Prompt(turns=[pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(text="What is in the picture here?"), image])])
    found = read_prompt(prompt)
    assert found.counted_tokens == TOKENS_PER_MEDIA
    assert found.judged == "What is in the picture here?\n\nAttached: 1 image"


def test_of_a_very_long_conversation_the_middle_is_counted_by_its_size() -> None:
    turns = [turn(pb.ROLE_USER, f"turn number {n} of many turns") for n in range(10 * READ_TURNS)]
    found = read_prompt(pb.Prompt(turns=turns))
    assert found.judged == turns[-1].parts[0].text
    assert found.counted_tokens > 10_000


def test_a_prompt_without_turns_is_empty() -> None:
    found = read_prompt(pb.Prompt())
    assert (found.judged, found.counted, found.counted_tokens) == ("", "", 0)
