"""Page tokens come back as they were given, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.listing import BEGINNING, Place, place, token


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**63 - 1), st.data())
def test_a_token_comes_back_as_its_place(listing: int, newest: int, data: st.DataObject) -> None:
    at = Place(listing, newest, data.draw(st.integers(1, newest)))
    assert place(token(at)) == at


@given(st.text(max_size=60))
def test_no_other_text_is_a_token(text: str) -> None:
    assert place(text) is None


@pytest.mark.parametrize("at", [BEGINNING, Place(1, 5, 6), Place(1, 2**64 - 1, 1)])
def test_a_place_that_no_listing_has_is_none(at: Place) -> None:
    assert place(token(at)) is None


def test_a_changed_token_is_none() -> None:
    good = token(Place(7, 100, 50))
    assert place(good[:5] + ("A" if good[5] != "A" else "B") + good[6:]) is None
