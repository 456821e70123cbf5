"""Plays one request by hand: the machine of `failover`, the seams and the client's stream, with attempts that say what they are told.

A second, deliberately plain driver beside `services.router.generation`: no sockets, no clock, no tasks.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from pointsman import errors
from pointsman.answer import PartialAnswer
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.delivery import Delivery
from services.router.failover import (
    Action,
    Failure,
    GiveUp,
    How,
    Position,
    SwitchMode,
    Track,
    TryModel,
    attempt_failed,
    begin,
)
from services.router.seam import Alignment, Continuation, Diverged, Fresh, Seam, prefix_of


@dataclass(slots=True)
class Request:
    """What a request may take: attempts and seconds in all, micros of a dollar where it has a limit."""

    candidates: list[Track] = field(default_factory=list)
    attempts: int = 5
    seconds: float = 60.0
    cost_micros: float | None = None
    mode: SwitchMode = SwitchMode.CONTINUE_OR_RESTART
    structured: bool = False
    switch_on_refusal: bool = False


class Player:
    """One request on its way. `client` is the project's own, which raises where the frames break the grammar."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.attempts = 0
        self.seconds_left = request.seconds
        self.frames: list[pb.GenerateResponse] = []
        self.client = PartialAnswer()
        self._delivery = Delivery(self._send)
        self._state, self.action = begin(request.candidates)
        self._start(None)
        _finish(self._delivery.send(pb.GenerateResponse(decided=pb.RouteDecision())))

    @property
    def track(self) -> Track:
        """The candidate that is asked now."""
        assert isinstance(self.action, TryModel)
        return self._request.candidates[self.action.candidate]

    @property
    def prefix(self) -> str:
        """What it was told to go on from."""
        going_on = isinstance(self.action, TryModel) and self.action.how is How.CONTINUE
        return prefix_of(self._delivery.text) if going_on else ""

    @property
    def text(self) -> str:
        """What the client holds."""
        return self.client.text

    def says(self, event: GenerationEvent) -> Action | None:
        """The model says something; the action that follows where it may not be said."""
        try:
            _finish(self._delivery.take(event))
        except Diverged:
            return self.fails(errors.SwitchNotAllowed("it says something else"))
        return None

    def finishes(self) -> Action | None:
        """The model is at its end."""
        try:
            _finish(self._delivery.flush())
        except Diverged:
            return self.fails(errors.SwitchNotAllowed("it says something else"))
        _finish(self._delivery.send(pb.GenerateResponse(event={"finished": {"reason": 1}})))
        return None

    def fails(self, error: errors.PointsmanError) -> Action:
        """The attempt fails."""
        assert isinstance(self.action, TryModel)
        asked, request, delivery = self.action, self._request, self._delivery
        failure = Failure(asked.candidate, self.track.reference, error, asked.how)
        position = Position(
            attempts_left=request.attempts - self.attempts,
            seconds_left=self.seconds_left,
            cost_left_micros=request.cost_micros,
            delivered_text=delivery.has_text,
            delivered_call=delivery.called,
            structured=request.structured,
            mode=request.mode,
            switch_on_refusal=request.switch_on_refusal,
        )
        self._state, self.action = attempt_failed(self._state, failure, position)
        if isinstance(self.action, TryModel):
            self._start(asked)
        return self.action

    def _start(self, before: TryModel | None) -> None:
        assert isinstance(self.action, TryModel)
        self.attempts += 1
        if before is None:
            return
        track = self._request.candidates[before.candidate]
        switch = pb.ModelSwitch(from_model=_ref(track), to_model=_ref(self.track))
        if self.action.how is not How.FRESH:
            self._delivery.join(self._seam(self.action.how), switch)
        elif before.candidate != self.action.candidate:
            _finish(self._delivery.send(pb.GenerateResponse(switched=switch)))

    def _seam(self, how: How) -> Seam:
        match how:
            case How.FRESH:
                return Fresh()
            case How.CONTINUE:
                return Continuation(self._delivery.text)
            case How.RESTART:
                take_back = self._request.mode is not SwitchMode.CONTINUE
                return Alignment(self._delivery.text, take_back=take_back)

    async def _send(self, frame: pb.GenerateResponse) -> None:
        self.frames.append(frame)
        self.client.take(frame)


def _ref(track: Track) -> dict[str, str]:
    provider, _, model = track.reference.partition("/")
    return {"provider": provider, "model": model}


def _finish(step: Coroutine[Any, Any, None]) -> None:
    """Runs what awaits nothing."""
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("expected a step that waits for nobody")


def given_up(action: Action | None) -> bool:
    """Whether the request is over with an error."""
    return isinstance(action, GiveUp)


def texts(frames: Sequence[pb.GenerateResponse]) -> str:
    """All text in these frames."""
    return "".join(frame.event.text_delta.text for frame in frames)
