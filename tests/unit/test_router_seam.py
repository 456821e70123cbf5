"""The client's text after a switch: no gap, no repeat, and nothing taken back that may not be."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.seam import SHORTEST_REPEAT, Alignment, Continuation, Diverged, Fresh, Seam

TEXT = st.text(st.sampled_from("ab \n.é\u0301👩\u200d\U0001f3fd"), max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=6)


def pieces(text: str, cuts: list[int]) -> list[str]:
    """The text cut at some places; no cut is empty."""
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def client_text(delivered: str, seam: Seam, parts: list[str]) -> str:
    """What a client holds at the end that cuts to `kept` with the first thing it is given."""
    appended = "".join([*(seam.feed(part) for part in parts), seam.end()])
    return delivered[: seam.kept] + appended


@given(TEXT, CUTS)
def test_a_fresh_answer_passes_as_it_is(text: str, cuts: list[int]) -> None:
    assert client_text("", Fresh(), pieces(text, cuts)) == text


@given(TEXT, TEXT, CUTS)
def test_after_a_restart_the_client_holds_exactly_the_new_answer(delivered: str, new: str, cuts: list[int]) -> None:
    assert client_text(delivered, Alignment(delivered, take_back=True), pieces(new, cuts)) == new


@given(TEXT, TEXT, CUTS)
def test_a_restart_that_says_the_same_first_takes_nothing_back(delivered: str, more: str, cuts: list[int]) -> None:
    for take_back in (True, False):
        seam = Alignment(delivered, take_back=take_back)
        assert client_text(delivered, seam, pieces(delivered + more, cuts)) == delivered + more
        assert seam.kept == len(delivered)


@given(TEXT, TEXT, CUTS)
def test_what_may_not_be_taken_back_is_not(delivered: str, new: str, cuts: list[int]) -> None:
    seam = Alignment(delivered, take_back=False)
    if new.startswith(delivered):
        assert client_text(delivered, seam, pieces(new, cuts)) == new
    else:
        with pytest.raises(Diverged):
            client_text(delivered, seam, pieces(new, cuts))


@pytest.mark.parametrize(
    ("delivered", "new", "kept"),
    [
        ("The train leaves", "The train stops", 10),
        ("one two three", "one two", 7),
        ("cafe\u0301 au lait", "cafe noir", 3),
        ("\U0001f469\u200d\U0001f680 up", "\U0001f469\u200d\U0001f52c up", 0),
        ("hi \U0001f44d\U0001f3fd!", "hi \U0001f44d\U0001f3ff!", 3),
        ("abc", "xyz", 0),
    ],
)
def test_answers_part_where_they_differ_but_not_within_a_character(delivered: str, new: str, kept: int) -> None:
    seam = Alignment(delivered, take_back=True)
    assert client_text(delivered, seam, [new]) == new
    assert seam.kept == kept


@given(TEXT, TEXT, CUTS)
def test_a_continuation_keeps_everything(delivered: str, more: str, cuts: list[int]) -> None:
    seam = Continuation(delivered)
    held = client_text(delivered, seam, pieces(more, cuts))
    assert seam.kept == len(delivered)
    assert held.startswith(delivered)
    assert len(held) <= len(delivered) + len(more)


WORDS = "The points are set, and the train goes on to Basel"


@pytest.mark.parametrize(
    ("delivered", "said", "whole"),
    [
        # As most models go on: the white space before the next word is theirs.
        ("The points are", " set.", "The points are set."),
        ("The points are ", " set.", "The points are set."),
        ("The points are ", "set.", "The points are set."),
        ("One.\n\n", "\n\nTwo.", "One.\n\nTwo."),
        ("One.\n", "\n\nTwo.", "One.\n\nTwo."),
        ("Half a wo", "rd.", "Half a word."),
        # As some do: they say the end again, or all of it.
        (WORDS, "the train goes on to Basel at noon.", WORDS + " at noon."),
        (WORDS + " ", "and the train goes on to Basel at noon.", WORDS + " at noon."),
        (WORDS, " " + WORDS + " at noon.", WORDS + " at noon."),
        (WORDS, WORDS, WORDS),
        # A few equal letters are no repeat.
        ("ba", "nana", "banana"),
        ("bana", "na", "banana"),
        ("no, no, ", "no, no!", "no, no, no, no!"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_a_continuation_goes_on_without_gap_or_repeat(delivered: str, said: str, whole: str, size: int) -> None:
    parts = [said[start : start + size] for start in range(0, len(said), size)]
    assert client_text(delivered, Continuation(delivered), parts) == whole


def test_a_continuation_does_not_hold_back_for_long() -> None:
    seam = Continuation(WORDS)
    assert seam.feed(" and the") == ""
    assert seam.feed(" bridge") == " and the bridge"
    assert seam.feed(" to") == " to"


def test_the_shortest_repeat_that_is_left_out() -> None:
    end = "x" * 50 + "a" * 1 + "bcdefghijklm"[:SHORTEST_REPEAT]
    assert client_text(end, Continuation(end), [end[-SHORTEST_REPEAT:] + "!"]) == end + "!"
    shorter = end[-SHORTEST_REPEAT + 1 :]
    assert client_text(end, Continuation(end), [shorter + "!"]) == end + shorter + "!"
