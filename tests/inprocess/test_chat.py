"""How `pointsman chat` shows an answer whose model was switched in the middle."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from pointsman import errors
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.scripted_router import CHOSEN, ScriptedRouter, decided, finished, said, serving

COMMAND = [sys.executable, "-m", "pointsman.cli.main", "chat", "Why?", "--address"]


def switched(kept: int) -> pb.GenerateResponse:
    other = ModelRef(provider="q", model="n")
    return pb.GenerateResponse(
        switched=pb.ModelSwitch(
            from_model=CHOSEN, to_model=other, reason="ERROR_REASON_STREAM_CUT", kept_characters=kept
        )
    )


async def chat(address: str) -> tuple[int, str, str]:
    """Runs the command with pipes; returns its exit code, what it answered and what it told."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    answer, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, answer.decode(), told.decode()


async def chat_on_a_terminal(address: str) -> str:
    """Runs the command on a terminal of its own; returns all that it showed."""
    ours, its = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "100"}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, address, stdin=its, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    try:
        shown = await asyncio.to_thread(read_terminal, ours)
        await process.wait()
    finally:
        os.close(ours)
    return shown.replace("\r\n", "\n")


def read_terminal(terminal: int) -> str:
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4_096)
        except OSError:  # Linux tells the end of a terminal so.
            return shown.decode()
        if not chunk:
            return shown.decode()
        shown += chunk


async def test_a_pipe_never_sees_text_that_was_taken_back(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("Points fry"), switched(9), said("eeze."), finished()])
    async with serving(router, tmp_path) as address:
        code, answer, told = await chat(address)
    assert (code, answer) == (0, "Points freeze.\n")
    assert "p/m -> q/n: stream cut, 9 characters kept" in told


async def test_a_pipe_sees_nothing_of_an_answer_that_failed(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("Points fr"), errors.StreamCut("the provider hung up")])
    async with serving(router, tmp_path) as address:
        code, answer, told = await chat(address)
    assert (code, answer) == (1, "")
    assert told.splitlines()[-1] == "pointsman: stream cut: the provider hung up"


async def test_a_stream_that_ends_early_is_no_answer(tmp_path: Path) -> None:
    async with serving(ScriptedRouter([decided(), said("Points fr")]), tmp_path) as address:
        code, answer, told = await chat(address)
    assert (code, answer) == (1, "")
    assert "without `finished`" in told


async def test_a_terminal_shows_what_stands_again(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("Points fry"), switched(9), said("eeze."), finished()])
    async with serving(router, tmp_path) as address:
        shown = await chat_on_a_terminal(address)
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert "Points fry" in lines[0]
    assert "p/m failed (stream cut); from q/n:" in lines[1]
    assert lines[2] == "Points freeze."


async def test_a_terminal_shows_no_seam_where_nothing_was_lost(tmp_path: Path) -> None:
    router = ScriptedRouter([decided(), said("Points fr"), switched(9), said("eeze."), finished()])
    async with serving(router, tmp_path) as address:
        shown = await chat_on_a_terminal(address)
    assert "Points freeze.\n" in shown
    assert "9 characters kept" in shown


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07gone"])
async def test_an_answer_cannot_steer_the_terminal(tmp_path: Path, text: str) -> None:
    async with serving(ScriptedRouter([decided(), said(text), finished()]), tmp_path) as address:
        shown = await chat_on_a_terminal(address)
    assert "\x1b[2J" not in shown and "\x1b]0" not in shown
