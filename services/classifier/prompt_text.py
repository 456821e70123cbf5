"""What the classifier reads of a prompt: the text it judges, and what only counts towards the input's length.

Judged is the last user turn; where that is too short to stand alone ("and now?"), the user turn before it goes first. The head of
the system prompt, the names of the tools and what is attached are judged with it, in the order that composition.py states.
The rest of the system prompt, other turns, tool calls and tool declarations are counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pointsman.llm.v1 import prompt_pb2 as pb
from services.classifier.composition import SYSTEM_CHARACTERS, compose

LEAST_CHARACTERS = 24
# Of longer conversations the middle is counted by its size alone.
READ_TURNS = 256
BYTES_PER_TOKEN = 4
# So much of the user's turn tells its language.
SPOKEN_CHARACTERS = 640
# An image costs between some hundred and a thousand tokens with the vendors' models.
TOKENS_PER_MEDIA = 800


@dataclass(frozen=True, slots=True)
class PromptText:
    """`judged` goes to the models; `counted` and `counted_tokens` make up the rest of the input.

    `spoken` is the head of what the user wrote where `judged` holds more than that, else None.
    """

    judged: str
    counted: str
    counted_tokens: int
    spoken: str | None = None


def read_prompt(prompt: pb.Prompt) -> PromptText:
    """Read a prompt in time that does not grow with the number of turns."""
    turns = list(prompt.turns[-READ_TURNS:])
    if len(prompt.turns) > READ_TURNS:
        turns.insert(0, prompt.turns[0])
    user = [index for index, turn in enumerate(turns) if turn.role in (pb.ROLE_USER, pb.ROLE_UNSPECIFIED)]
    chosen = user[-1:]
    if len(user) > 1 and len(_text(turns[user[-1]])) < LEAST_CHARACTERS:
        chosen = user[-2:]
    user_text = "\n".join(_text(turns[index]) for index in chosen)
    system = "\n".join(_text(turn) for turn in turns if turn.role == pb.ROLE_SYSTEM).strip()
    tools = prompt.tools[:READ_TURNS]
    judged = compose(system, user_text, [tool.name for tool in tools], _attached(turns))
    others = [_text(turn) for index, turn in enumerate(turns) if index not in chosen and turn.role != pb.ROLE_SYSTEM]
    counted = [system[SYSTEM_CHARACTERS:], *others, *(f"{t.description} {t.parameters_json_schema}" for t in tools)]
    media = sum(part.HasField("media") for turn in turns for part in turn.parts[:READ_TURNS])
    unread = prompt.ByteSize() // BYTES_PER_TOKEN if len(prompt.turns) > len(turns) else 0
    return PromptText(
        judged,
        "\n".join(text for text in counted if text),
        media * TOKENS_PER_MEDIA + unread,
        None if judged == user_text else user_text[:SPOKEN_CHARACTERS],
    )


def _attached(turns: Sequence[pb.Turn]) -> list[str]:
    """Say what comes with the conversation beside text: "2 images", "1 tool result"."""
    found = Counter(kind for turn in turns for part in turn.parts[:READ_TURNS] for kind in _kinds(part))
    return [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in found.items()]


def _kinds(part: pb.Part) -> Iterable[str]:
    if part.HasField("tool_result"):
        yield "tool result"
    elif part.HasField("media"):
        kind = part.media.mime_type.partition("/")[0]
        yield kind if kind in ("image", "audio", "video") else "document"


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
