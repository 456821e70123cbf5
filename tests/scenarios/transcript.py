"""Transcripts of one request as prose: what happens on the left, what the router does on the right.

    # What the scenario shows.
    candidates: a/1, b/1 continues, c/1 window 8000 costs 500
    begin                                        -> try a/1 afresh
    a/1 fails PROVIDER_RATE_LIMITED retry 0.5 s  -> try a/1 afresh after 0.5 s
    a/1 says "The points "                       -> the client reads "The points "
    a/1 fails STREAM_CUT                         -> try b/1, going on from "The points"
    b/1 says " are set."                         -> switched, 11 stand; the client reads "are set."
    b/1 finishes                                 -> whole: "The points are set."

Scenarios are parted by an empty line. More of a request stands in lines of its own: `attempts: 2`, `seconds: 3`, `cost: 400` (micros),
`mode: CONTINUE`, `structured: yes`, `switch on refusal: yes`. A failure may have `retry N s`, `http N` or `exception NAME`;
`N s pass` moves the time on.
"""

import json
import re

from pointsman import errors
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from pointsman.llm.v1.prompt_pb2 import ToolCall
from services.router.failover import Action, GiveUp, How, SwitchMode, Track, TryModel
from tests.scenarios.player import Player, Request, texts

EVENT = re.compile(r"(?P<who>\S+) (?P<does>says|thinks|calls|fails|finishes)(?: (?P<rest>.*))?")
FAILURE = re.compile(
    r"(?P<reason>[A-Z_]+)(?: retry (?P<retry>\S+) s)?(?: http (?P<http>\d+))?(?: exception (?P<exception>\w+))?"
)
CANDIDATE = re.compile(r"(?P<ref>\S+?/\S+)(?P<on> continues)?(?: window (?P<window>\d+))?(?: costs (?P<cost>\d+))?")
PASSING = re.compile(r"(?P<seconds>\S+) s pass")
ARROW = "->"


def play(scenario: str) -> str:
    """Plays a scenario; returns it with the right side as it comes out."""
    request, player = Request(), None
    heads: list[str] = []
    rows: list[tuple[str, str]] = []
    for line in scenario.splitlines():
        event = line.partition(ARROW)[0].rstrip()
        if line.startswith("#") or (match := re.fullmatch(r"([a-z ]+): (.*)", line)):
            if not line.startswith("#"):
                assert match is not None
                _set(request, match[1], match[2])
            heads.append(line)
            continue
        if event == "begin":
            player = Player(request)
            rows.append((event, _action(player, player.action)))
            continue
        assert player is not None, f"expected `begin` before {event!r}"
        rows.append((event, _happen(player, event)))
    width = max(len(event) for event, _ in rows)
    return "\n".join([*heads, *(f"{event:<{width}} {ARROW} {does}" for event, does in rows)])


def _set(request: Request, name: str, value: str) -> None:
    match name:
        case "candidates":
            request.candidates = [_track(word.strip()) for word in value.split(",")]
        case "attempts":
            request.attempts = int(value)
        case "seconds":
            request.seconds = float(value)
        case "cost":
            request.cost_micros = float(value)
        case "mode":
            request.mode = SwitchMode(value)
        case "structured":
            request.structured = value == "yes"
        case "switch on refusal":
            request.switch_on_refusal = value == "yes"
        case _:
            raise AssertionError(f"expected a part of a request, found {name!r}")


def _track(words: str) -> Track:
    match = CANDIDATE.fullmatch(words)
    assert match, f"expected a candidate, found {words!r}"
    return Track(match["ref"], bool(match["on"]), int(match["window"] or 0), float(match["cost"] or 0))


def _happen(player: Player, event: str) -> str:
    if passing := PASSING.fullmatch(event):
        player.seconds_left -= float(passing["seconds"])
        return f"{player.seconds_left:g} s left"
    match = EVENT.fullmatch(event)
    assert match, f"expected an event, found {event!r}"
    assert match["who"] == player.track.reference, f"{player.track.reference} is asked, not {match['who']}"
    before = len(player.frames)
    match match["does"]:
        case "says" | "thinks":
            kind = "text_delta" if match["does"] == "says" else "reasoning_delta"
            action = player.says(GenerationEvent(**{kind: {"text": json.loads(match["rest"]), "token_count": 1}}))
        case "calls":
            action = player.says(GenerationEvent(tool_call=ToolCall(name=match["rest"])))
        case "finishes":
            action = player.finishes()
        case _:
            action = player.fails(_error(match["rest"]))
    told = _frames(player, before)
    if action is not None:
        told.append(_action(player, action))
    elif not told:
        told.append("held back")
    return "; ".join(told)


def _error(words: str) -> errors.PointsmanError:
    match = FAILURE.fullmatch(words)
    assert match, f"expected a failure, found {words!r}"
    metadata = {"http_status": match["http"], "exception": match["exception"]}
    return errors.BY_REASON[f"ERROR_REASON_{match['reason']}"](
        "as told",
        retry_after_s=float(match["retry"]) if match["retry"] else None,
        metadata={name: value for name, value in metadata.items() if value},
    )


def _frames(player: Player, before: int) -> list[str]:
    """What the client was sent, in words; a switch without text is told by the action that it comes from."""
    told: list[str] = []
    frames = player.frames[before:]
    if text := texts(frames):
        told.append(f"the client reads {_quoted(text)}")
    for frame in frames:
        event = frame.event
        if frame.HasField("switched") and player.text:
            told.insert(0, f"switched, {frame.switched.kept_characters} stand")
        elif event.HasField("reasoning_delta"):
            told.append(f"the client reads the thought {_quoted(event.reasoning_delta.text)}")
        elif event.HasField("tool_call"):
            told.append(f"the client gets the call of {event.tool_call.name}")
        elif event.HasField("finished"):
            told.append(f"whole: {_quoted(player.text)}")
    return told


def _action(player: Player, action: Action) -> str:
    match action:
        case TryModel(_, how, after_s):
            reference = player.track.reference
            after = f" after {after_s:g} s" if after_s else ""
            match how:
                case How.FRESH:
                    return f"try {reference} afresh{after}"
                case How.CONTINUE:
                    return f"try {reference}, going on from {_quoted(player.prefix)}{after}"
                case How.RESTART:
                    return f"try {reference} anew, aligned with {_quoted(player.text)}{after}"
        case GiveUp(error):
            reason = error.reason.value.removeprefix("ERROR_REASON_")
            told = sum(name.startswith("attempt_") for name in error.metadata)
            wait = f", again in {error.retry_after_s:g} s" if error.retry_after_s is not None else ""
            return f"give up: {reason}, {told} told{wait}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
