"""Plays a script on one connection, in the words of one API."""

import asyncio
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, assert_never

from tests.contract.raw_upstream import chunk, stream_head, whole
from tests.faults.speech import Speech, prefix_in, words
from tests.faults.steps import Do, ErrorEvent, Refuse, Rest, Say, Script


@dataclass(slots=True)
class Attempt:
    """One request as the wall saw it. Times are of a monotonic clock, in seconds; `wall_time_s` since the epoch.

    `closed` is set when the client closed its connection before the answer was over, `waiting` when the script came to WAIT, `held_up`
    when the client does not take what is said.
    """

    provider: str
    model: str
    path: str
    body: Mapping[str, Any]
    at_s: float
    wall_time_s: float
    retry_date: str = ""
    said_tokens: int = 0
    ended: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at_s: float | None = None
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    held_up: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def prefix(self) -> str:
        """What it was to go on from."""
        return prefix_in(self.body)


class EndOfConnection(Exception):
    """The script ends with a connection that is closed."""


async def play(attempt: Attempt, script: Script, speech: Speech, writer: asyncio.StreamWriter) -> None:
    """Plays a script; raises EndOfConnection where it ends with a connection that is closed."""
    for step in script:
        match step:
            case Say(text, pause_s):
                await _say(attempt, words(text), pause_s, speech, writer)
            case Rest(text):
                assert text.startswith(attempt.prefix), attempt.prefix
                await _say(attempt, words(text[len(attempt.prefix) :]), 0.0, speech, writer)
            case ErrorEvent(name, message):
                writer.write(chunk(speech.error(name, message)))
            case Refuse():
                if not step.prefixed or attempt.prefix:
                    writer.write(_refusal(attempt, step, speech))
                    return
            case Do():
                await _do(attempt, step, speech, writer)
            case unreachable:
                assert_never(unreachable)
        await writer.drain()


async def _say(
    attempt: Attempt, pieces: Sequence[str], pause_s: float, speech: Speech, writer: asyncio.StreamWriter
) -> None:
    for number, piece in enumerate(pieces):
        if number and pause_s:
            await asyncio.sleep(pause_s)
        attempt.said_tokens += 1
        writer.write(chunk(speech.text(piece)))
        await writer.drain()


async def _do(attempt: Attempt, step: Do, speech: Speech, writer: asyncio.StreamWriter) -> None:
    match step:
        case Do.HEAD:
            writer.write(stream_head())
        case Do.OPEN:
            writer.write(chunk(speech.opening()))
        case Do.HALF:
            event = speech.text("never said")
            writer.write(chunk(event[: len(event) // 2]))
        case Do.BROKEN:
            writer.write(chunk(b"data: {]\n\n"))
        case Do.FINISH:
            writer.write(chunk(speech.ending(attempt.said_tokens)))
        case Do.FINISH_WITHOUT_USAGE:
            writer.write(chunk(speech.ending(None)))
        case Do.MARK:
            writer.write(chunk(speech.mark()))
        case Do.END:
            writer.write(chunk(b""))
        case Do.WAIT:
            await writer.drain()
            attempt.waiting.set()
            await attempt.go_on.wait()
        case Do.CUT:
            raise EndOfConnection
        case Do.RESET:
            await writer.drain()
            # Closing with nothing to linger for sends RST in place of FIN.
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise EndOfConnection
        case unreachable:
            assert_never(unreachable)


def _refusal(attempt: Attempt, refuse: Refuse, speech: Speech) -> bytes:
    headers = [f"Retry-After: {refuse.retry_after}"] if refuse.retry_after else []
    if refuse.retry_date_in_s is not None:
        attempt.retry_date = formatdate(time.time() + refuse.retry_date_in_s, usegmt=True)
        headers.append(f"Retry-After: {attempt.retry_date}")
    body = speech.error_body(refuse.name, refuse.message)
    return whole(f"{refuse.status} Refused", body, "application/json", *headers)
