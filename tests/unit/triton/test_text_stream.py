"""Whole characters and stop texts, however the text is cut into tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_chat.text_stream import Detokenizer, StopMatcher, byte_of_character


def shown(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    text = "".join(matcher.push(piece) for piece in pieces)
    return text + matcher.flush(), matcher.stopped


@pytest.mark.parametrize(
    ("stops", "pieces", "expected"),
    [
        (["END"], ["one ", "END", " two"], ("one ", True)),
        (["END"], ["one E", "N", "D two"], ("one ", True)),
        (["END"], ["one E", "N", "ough"], ("one ENough", False)),
        (["END"], ["one EN"], ("one EN", False)),
        (["aab"], ["a", "a", "a", "b"], ("a", True)),
        (["later", "at"], ["l", "a", "t", "e"], ("l", True)),
        (["\n\n"], ["line\n", "\nnext"], ("line", True)),
        ([], ["any", "thing"], ("anything", False)),
    ],
)
def test_stop_texts_end_the_text_before_them(stops: list[str], pieces: list[str], expected: tuple[str, bool]) -> None:
    assert shown(stops, pieces) == expected


def test_text_is_held_back_no_longer_than_needed() -> None:
    matcher = StopMatcher(["###"])
    assert [matcher.push(p) for p in ["a#", "#b", "c"]] == ["a", "##b", "c"]


@given(st.lists(st.text("ab", max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_cutting_differently_never_changes_what_is_shown(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    assert shown(stops, pieces) == shown(stops, list(text))
    ends = {text.find(stop) + len(stop): len(stop) for stop in sorted(stops, key=len) if stop in text}
    expected = text[: min(ends) - ends[min(ends)]] if ends else text
    assert shown(stops, pieces) == (expected, bool(ends))


@given(st.text(), st.integers(1, 4))
def test_characters_come_whole_however_their_bytes_are_cut(text: str, width: int) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    tokens = [encoded[i : i + width] for i in range(0, len(encoded), width)]
    detokenizer = Detokenizer(tokens)
    pieces = [detokenizer.push(i) for i in range(len(tokens))]
    assert "".join(pieces) + detokenizer.flush() == encoded.decode("utf-8", "replace")


def test_a_character_that_never_becomes_whole_is_marked() -> None:
    detokenizer = Detokenizer(["é".encode()[:1]])
    assert detokenizer.push(0) == ""
    assert detokenizer.flush() == "\ufffd"


def test_the_alphabet_has_every_byte_once() -> None:
    assert sorted(byte_of_character().values()) == list(range(256))
