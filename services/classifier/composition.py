"""The one text that the models read of a conversation, in a stated order; training makes up conversations in the same form.

    System: the first SYSTEM_CHARACTERS of the system prompt
    the last user turn, as it is
    Tools: names of the declared tools
    Attached: 2 images, 1 tool result

A plain prompt is its user turn and nothing else. The window keeps a text's head and tail: the system prompt and the start of the
turn, the turn's end and what is at hand.
"""

from collections.abc import Sequence

SYSTEM_CHARACTERS = 160
TOOLS_CHARACTERS = 100


def compose(system: str, user: str, tools: Sequence[str] = (), attached: Sequence[str] = ()) -> str:
    """Join the parts that are there; `attached` are phrases such as "2 images"."""
    parts = [user]
    if system:
        # A bounded piece is searched for words, whatever the system prompt's length.
        parts.insert(0, "System: " + " ".join(system[: 4 * SYSTEM_CHARACTERS].split())[:SYSTEM_CHARACTERS])
    if tools:
        parts.append("Tools: " + ", ".join(tools)[:TOOLS_CHARACTERS])
    if attached:
        parts.append("Attached: " + ", ".join(attached))
    return "\n\n".join(parts)
