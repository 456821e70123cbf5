"""The demonstration as a user runs it: a real Triton, simulated commercial APIs, real processes, and nothing left behind."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.demo.__main__ import KEYS
from deploy.demo.simulated import read_prompts

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run, and the folder that all its processes know as their TMPDIR."""
    # Unix sockets lie below it, and their paths are short.
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if name not in KEYS.values()}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT,
        env=environment | {"TMPDIR": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done, folder


def test_every_prompt_is_answered_before_and_after_the_busiest_provider_is_killed(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not answered" not in done.stdout
    killed = re.search(r"killing provider (\w+)", done.stdout)
    assert killed
    before, after = (_answers(done.stdout, column) for column in (1, 2))
    assert sum(before.values()) == sum(after.values()) == len(read_prompts())
    assert before[killed[1]] == max(before.values())
    assert after[killed[1]] == 0


def test_the_answer_that_was_spoken_when_its_provider_was_killed_goes_on_elsewhere(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo
    told = re.search(
        r"(\w+)/[\w.-]+ was killed after (\d+) characters; (\w+)/[\w.-]+ went on: the client\s+kept (\d+) of them and holds (\d+)",
        done.stdout,
    )
    assert told, done.stdout
    killed, said, other, kept, holds = told.groups()
    assert killed != other
    # Both APIs are simulated to say the same, so nothing has to be taken back.
    assert int(said) <= int(kept) < int(holds)


def test_all_kinds_of_models_serve_and_every_intent_is_told(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo
    assert {name for name, answers in _answers(done.stdout, 1).items() if answers} == {"triton", "openai", "anthropic"}
    for intent in ("conversation", "translation", "code", "math", "summarization", "extraction"):
        assert intent in done.stdout


def test_no_process_is_left(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, folder = demo
    left = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
                if str(folder).encode() in told:
                    left.append((process / "cmdline").read_bytes())
    assert left == []


def _answers(output: str, column: int) -> dict[str, int]:
    """The summary's answers of each provider; column 1 is before the kill, 2 after."""
    rows = re.findall(r"│(triton|openai|anthropic) *│ *(\d+) *│ *(\d+) *│", output)
    return {row[0]: int(row[column]) for row in rows}
