"""What the classifier reads of a prompt: the text it judges, and what only counts towards the input's length.

Judged is the last user turn; where that is too short to stand alone ("and now?"), the user turn before it goes first.
System prompt, other turns, tool calls and tool declarations are counted, not judged.
"""

from dataclasses import dataclass

from pointsman.llm.v1 import prompt_pb2 as pb

LEAST_CHARACTERS = 24
# Of longer conversations the middle is counted by its size alone.
READ_TURNS = 256
BYTES_PER_TOKEN = 4
# An image costs between some hundred and a thousand tokens with the vendors' models.
TOKENS_PER_MEDIA = 800


@dataclass(frozen=True, slots=True)
class PromptText:
    """`judged` goes to the models; `counted` and `counted_tokens` make up the rest of the input."""

    judged: str
    counted: str
    counted_tokens: int


def read_prompt(prompt: pb.Prompt) -> PromptText:
    """Read a prompt in time that does not grow with the number of turns."""
    turns = list(prompt.turns[-READ_TURNS:])
    if len(prompt.turns) > READ_TURNS:
        turns.insert(0, prompt.turns[0])
    user = [index for index, turn in enumerate(turns) if turn.role in (pb.ROLE_USER, pb.ROLE_UNSPECIFIED)]
    chosen = user[-1:]
    if len(user) > 1 and len(_text(turns[user[-1]])) < LEAST_CHARACTERS:
        chosen = user[-2:]
    judged = "\n".join(_text(turns[index]) for index in chosen)
    others = [_text(turn) for index, turn in enumerate(turns) if index not in chosen]
    tools = [f"{tool.name} {tool.description} {tool.parameters_json_schema}" for tool in prompt.tools[:READ_TURNS]]
    media = sum(part.HasField("media") for turn in turns for part in turn.parts[:READ_TURNS])
    unread = prompt.ByteSize() // BYTES_PER_TOKEN if len(prompt.turns) > len(turns) else 0
    return PromptText(judged, "\n".join((*others, *tools)), media * TOKENS_PER_MEDIA + unread)


def _text(turn: pb.Turn) -> str:
    """All text of a turn, tool calls and results among it; parts beyond any sensible number are left out."""
    pieces = []
    for part in turn.parts[:READ_TURNS]:
        if part.HasField("text"):
            pieces.append(part.text)
        elif part.HasField("tool_result"):
            pieces.append(part.tool_result.content)
        elif part.HasField("tool_call"):
            pieces.append(part.tool_call.arguments_json)
    return "\n".join(pieces)
