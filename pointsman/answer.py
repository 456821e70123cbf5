"""Builds an answer from the frames of a stream and holds the stream to its grammar. Pure: no socket, no clock.

 start ──decided──> open ──finished──> whole ──end──> done
                    │  ^
                    └──┘ text, reasoning, tool call, switch

An end before `whole` is a cut answer; any other frame, or a gap in `sequence`, breaks the protocol.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import assert_never

from pointsman import errors
from pointsman.items import Decided, Finished, Item, Reasoning, Switched, Text, ToolCalled, finished_from
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.llm.v1.prompt_pb2 import ToolCall
from pointsman.router.v1.router_service_pb2 import GenerateResponse, ModelSwitch, RouteDecision


class Phase(Enum):
    """How far a stream has come."""

    START = auto()
    OPEN = auto()
    WHOLE = auto()


class PartialAnswer:
    """An answer so far; takes one frame after the other."""

    def __init__(self) -> None:
        self._phase = Phase.START
        self._sequence = 0
        self._pieces: list[str] = []
        self._decision: RouteDecision | None = None
        self._finished: Finished | None = None
        self._switches: list[Switched] = []
        self._tool_calls: list[ToolCall] = []

    @property
    def text(self) -> str:
        """All text that stands."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def sequence(self) -> int:
        """The number of the last frame."""
        return self._sequence

    @property
    def decision(self) -> RouteDecision | None:
        """The router's decision, once it came."""
        return self._decision

    @property
    def finished(self) -> Finished | None:
        """The last item, once it came."""
        return self._finished

    @property
    def switches(self) -> Sequence[Switched]:
        """The switches so far."""
        return tuple(self._switches)

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls so far."""
        return tuple(self._tool_calls)

    @property
    def model(self) -> str:
        """Which model speaks now, as `provider/model`; empty before the decision."""
        if self._switches:
            return self._switches[-1].to_model
        return reference(self._decision.chosen) if self._decision else ""

    def take(self, frame: GenerateResponse) -> Item:
        """Takes the next frame and returns what it says; raises ProviderProtocol where it breaks the grammar."""
        self._sequence += 1
        if frame.sequence != self._sequence:
            raise _broken(f"expected frame {self._sequence}, found frame {frame.sequence}")
        kind = frame.WhichOneof("frame")
        match self._phase:
            case Phase.START:
                if kind != "decided":
                    raise _broken(f"expected `decided` first, found {kind or 'an empty frame'}")
                self._decision, self._phase = frame.decided, Phase.OPEN
                return Decided(frame.decided)
            case Phase.OPEN if kind == "event":
                return self._take_event(frame.event)
            case Phase.OPEN if kind == "switched":
                return self._take_switch(frame.switched)
            case Phase.OPEN:
                raise _broken(f"expected an event or a switch, found {kind or 'an empty frame'}")
            case Phase.WHOLE:
                raise _broken(f"expected the end after `finished`, found {kind or 'an empty frame'}")
            case _:
                assert_never(self._phase)

    def end(self) -> None:
        """Takes the end of a stream whose status is OK; raises StreamCut where the answer is not whole."""
        if self._phase is not Phase.WHOLE:
            raise errors.StreamCut(f"the router's stream ended after {self._sequence} frames without `finished`")

    def _take_event(self, event: GenerationEvent) -> Item:
        match event.WhichOneof("event"):
            case "text_delta":
                self._pieces.append(event.text_delta.text)
                return Text(event.text_delta.text, event.text_delta.token_count)
            case "reasoning_delta":
                return Reasoning(event.reasoning_delta.text, event.reasoning_delta.token_count)
            case "tool_call":
                self._tool_calls.append(event.tool_call)
                return ToolCalled(event.tool_call)
            case "finished":
                self._finished, self._phase = finished_from(event.finished), Phase.WHOLE
                return self._finished
            case _:
                raise _broken("expected an event, found an empty one")

    def _take_switch(self, switch: ModelSwitch) -> Switched:
        text, kept = self.text, switch.kept_characters
        if kept > len(text):
            raise _broken(f"expected kept_characters up to {len(text)}, the length of the text, found {kept}")
        self._pieces = [text[:kept]]
        item = Switched(reference(switch.from_model), reference(switch.to_model), switch.reason, kept, text[kept:])
        self._switches.append(item)
        return item


def reference(model: ModelRef) -> str:
    """A model as `provider/model`."""
    return f"{model.provider}/{model.model}"


def _broken(message: str) -> errors.ProviderProtocol:
    return errors.ProviderProtocol(f"the router broke the grammar of its stream: {message}")
