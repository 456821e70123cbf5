"""Frames that are kept for a reader that comes back."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.llm.v1.generation_pb2 import GenerationEvent, TextDelta
from pointsman.router.v1.router_service_pb2 import GenerateResponse
from services.router.kept import Kept


def frame(sequence: int, size: int = 10) -> GenerateResponse:
    """A frame of text."""
    return GenerateResponse(sequence=sequence, event=GenerationEvent(text_delta=TextDelta(text="x" * size)))


def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    kept = Kept(10_000)
    for sequence in (1, 2, 3):
        kept.add(frame(sequence))
    assert [kept.next() for _ in range(3)] == [frame(1), frame(2), frame(3)]
    assert kept.next() is None
    kept.rewind(1)
    assert [kept.next(), kept.next(), kept.next()] == [frame(2), frame(3), None]


def test_what_was_read_makes_room_and_what_was_not_never_does() -> None:
    kept = Kept(100)
    for sequence in range(1, 6):
        kept.add(frame(sequence, 40))
    assert (kept.full, kept.holds(0)) == (True, True)
    for sequence in range(1, 6):
        assert kept.next() == frame(sequence, 40)
    assert (kept.full, [kept.holds(after) for after in (0, 2, 5, 6)]) == (False, [False, False, True, False])


@given(st.lists(st.sampled_from(["add", "next", "back"]), max_size=200), st.integers(50, 400))
def test_a_reader_sees_every_frame_once_in_order_however_often_it_comes_back(steps: list[str], limit: int) -> None:
    kept, seen, added = Kept(limit), 0, 0
    for step in steps:
        if step == "add" and not kept.full:
            added += 1
            kept.add(frame(added))
        elif step == "next":
            found = kept.next()
            assert (found is None) == (seen == added)
            if found is not None:
                seen += 1
                assert found.sequence == seen
        elif step == "back":
            assert kept.holds(seen)
            kept.rewind(seen)
    assert kept.newest == added
