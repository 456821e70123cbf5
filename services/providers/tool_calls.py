"""Puts a tool call together from the fragments that a wire format streams, so that it is only ever handed on whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from pydantic_core import from_json, to_json

from services.providers.contract import ToolCall

# As much as a gRPC message may hold by default; nothing larger could be handed on.
MAX_ARGUMENT_CHARACTERS = 4 * 1024 * 1024


@dataclass(slots=True)
class ToolCallDraft:
    """A call whose pieces are still arriving. `tool_call_id` stays empty for servers that name none."""

    tool_call_id: str = ""
    name: str = ""
    # What a server gives whole before any fragment.
    arguments: Mapping[str, object] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, fragment: str) -> None:
        """Appends a piece of the arguments; raises ValueError above the bound."""
        self.size += len(fragment)
        if self.size > MAX_ARGUMENT_CHARACTERS:
            raise ValueError(f"its arguments are above {MAX_ARGUMENT_CHARACTERS} characters")
        self.fragments.append(fragment)

    def complete(self) -> ToolCall:
        """The whole call; raises ValueError when a piece is missing or the arguments are no JSON object."""
        if not self.name:
            raise ValueError("it has no name")
        # A call of a tool without parameters comes with no arguments at all from some servers.
        text = "".join(self.fragments).strip() or to_json(self.arguments).decode()
        try:
            arguments = from_json(text)
        except ValueError:
            # Its own words may quote what the model wrote.
            raise ValueError("its arguments are no JSON") from None
        if not isinstance(arguments, dict):
            raise ValueError("its arguments are no JSON object")
        return ToolCall(self.tool_call_id or f"call_{uuid4().hex}", self.name, text)
