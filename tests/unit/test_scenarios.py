"""The transcripts of tests/scenarios hold. With SCENARIOS_REWRITE=1 in the environment they are written as they come out."""

import os
from pathlib import Path

import pytest

from tests.scenarios.transcript import play

FOLDER = Path(__file__).parents[1] / "scenarios"
FILES = sorted(FOLDER.glob("*.txt"))
REWRITE = os.environ.get("SCENARIOS_REWRITE") == "1"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_transcript_holds(path: Path) -> None:
    scenarios = path.read_text().strip("\n").split("\n\n")
    played = "\n\n".join(map(play, scenarios)) + "\n"
    if REWRITE:
        path.write_text(played)
    assert played == path.read_text()


def test_there_are_transcripts() -> None:
    assert FILES
