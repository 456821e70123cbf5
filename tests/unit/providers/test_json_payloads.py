"""Characters that a server split over two payloads come out whole, and nothing else is changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from pointsman.errors import ProviderProtocol
from services.providers.json_payloads import PayloadParser


class Said(TypedDict):
    """A payload that says something."""

    text: str


def parser() -> PayloadParser[Said]:
    return PayloadParser(TypeAdapter(Said).validator.validate_json)


def utf16_pieces(text: str, units: int) -> list[str]:
    """Payloads as a server sends them that cuts its text by UTF-16 units, as JavaScript's slice does."""
    raw = text.encode("utf-16-le")
    pieces = (raw[i : i + 2 * units].decode("utf-16-le", "surrogatepass") for i in range(0, len(raw), 2 * units))
    return [json.dumps({"text": piece}) for piece in pieces]


@given(st.text(st.sampled_from('a☂𝄞😀\\"u:d8'), max_size=20), st.integers(1, 5))
def test_text_that_was_cut_by_utf16_units_comes_out_whole(text: str, units: int) -> None:
    reading = parser()
    assert "".join(reading.parse(piece)["text"] for piece in utf16_pieces(text, units)) == text


@pytest.mark.parametrize(
    "data", ['{"text": "\\ud834 alone"}', '{"text": "\\udd1e"}', '{"text": "cut', '{"text": 5}', "[]"]
)
def test_what_is_beyond_mending_is_a_protocol_error_that_does_not_quote(data: str) -> None:
    with pytest.raises(ProviderProtocol, match="bad payload") as raised:
        parser().parse(data)
    assert "alone" not in raised.value.message and "cut" not in raised.value.message
