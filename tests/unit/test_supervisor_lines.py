"""What a process writes is told line by line, whatever it writes."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pointsman.supervisor.lines import LINE_LIMIT_BYTES, read_lines


async def lines_of(*chunks: bytes) -> list[str]:
    pipe = asyncio.StreamReader()
    for chunk in chunks:
        pipe.feed_data(chunk)
    pipe.feed_eof()
    return [line async for line in read_lines(pipe)]


async def test_the_last_line_needs_no_end() -> None:
    assert await lines_of(b"one\r\n\ntw", b"o\nthr", b"ee") == ["one", "", "two", "three"]


async def test_bytes_that_are_no_text_are_shown() -> None:
    assert await lines_of(b"a\xffb\n") == ["a\\xffb"]


async def test_a_line_without_end_is_told_in_pieces() -> None:
    lines = await lines_of(b"x" * (2 * LINE_LIMIT_BYTES + 5))
    assert [len(line) for line in lines] == [LINE_LIMIT_BYTES, LINE_LIMIT_BYTES, 5]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40), st.integers(1, 7))
def test_how_it_is_cut_into_chunks_does_not_matter(text: str, size: int) -> None:
    data = text.encode()
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    expected = text.split("\n") if text else []
    if expected and expected[-1] == "":
        expected.pop()
    assert asyncio.run(lines_of(*chunks)) == expected
