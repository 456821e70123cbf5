"""What a client asks of a router, and what it got."""

from dataclasses import dataclass, field
from typing import Any

from pointsman import errors
from pointsman.llm.v1 import prompt_pb2
from pointsman.router.v1 import router_service_pb2 as pb


@dataclass
class Answer:
    """What a client got: all frames, and the error where there was one."""

    frames: list[pb.GenerateResponse] = field(default_factory=list)
    code: str = "OK"
    error: errors.PointsmanError | None = None

    @property
    def kinds(self) -> list[str]:
        """The kind of each frame, neighbours of the same kind told once."""
        told: list[str] = []
        for frame in self.frames:
            kind = frame.WhichOneof("frame") or ""
            kind = frame.event.WhichOneof("event") or "" if kind == "event" else kind
            if told[-1:] != [kind]:
                told.append(kind)
        return told

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(frame.event.text_delta.text for frame in self.frames)

    @property
    def decided(self) -> pb.RouteDecision:
        """The first frame."""
        return self.frames[0].decided

    @property
    def switches(self) -> list[tuple[str, str, str]]:
        """Each switch as (from, to, reason)."""
        return [
            (f.switched.from_model.provider, f.switched.to_model.provider, f.switched.reason)
            for f in self.frames
            if f.HasField("switched")
        ]

    @property
    def finished(self) -> Any:
        """The last event."""
        return self.frames[-1].event.finished


def prompt(text: str = "Why do points freeze?") -> prompt_pb2.Prompt:
    """One user turn."""
    return prompt_pb2.Prompt(turns=[prompt_pb2.Turn(role=prompt_pb2.ROLE_USER, parts=[prompt_pb2.Part(text=text)])])


def ask(text: str = "Why do points freeze?", **fields: Any) -> pb.GenerateRequest:
    """A request to stream an answer."""
    return pb.GenerateRequest(prompt=prompt(text), **fields)
