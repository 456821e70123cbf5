"""The SSE parser against the WHATWG's rules, and against every way of cutting a stream into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ProviderProtocol
from services.providers.sse import ServerSentEvent, SseParser


def parse(*chunks: bytes, max_event_bytes: int = 1_000) -> list[tuple[str, str]]:
    parser = SseParser(max_event_bytes)
    return [(event.kind, event.data) for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\n", [("message", "one")]),
        (b"data:one\r\n\r\ndata: two\r\rdata:  three\n\n", [("message", "one"), ("message", "two"), ("message", " three")]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10")]),
        (b": test stream\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n", [
            ("message", "first"), ("message", "second"), ("message", " third"),
        ]),
        (b"data\n\ndata\ndata\n\ndata:", [("message", ""), ("message", "\n")]),
        (b"event: add\ndata: 1\n\nevent: forgotten\n\ndata: 2\n\n", [("add", "1"), ("message", "2")]),
        (b"\xef\xbb\xbfdata: marked\n\n", [("message", "marked")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: once\n\n", []),
        (b"retry: 10\nunknown: x\ndata: kept\n\n", [("message", "kept")]),
        (b"data: never ended\n", []),
    ],
)  # fmt: skip
def test_reads_the_examples_of_the_standard(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert parse(stream) == events


LINES = st.sampled_from(
    [
        "data: text",
        "data:",
        "data",
        "data: Zürich ☂ 𝄞 日本",
        "event: delta",
        "event",
        ": comment ☂",
        "id: 7",
        "",
        "",
        "",
        "data: {}",
        " data: no",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=30).map(
    lambda lines: "".join(line + end for line, end in lines).encode()
)


@given(STREAMS, st.booleans(), st.data())
def test_any_split_of_a_stream_yields_the_same_events(stream: bytes, marked: bool, data: st.DataObject) -> None:
    if marked:
        stream = b"\xef\xbb\xbf" + stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*pieces) == parse(stream) == parse(*(stream[i : i + 1] for i in range(len(stream))))


def test_invalid_utf8_is_a_protocol_error() -> None:
    with pytest.raises(ProviderProtocol, match="UTF-8"):
        parse(b"data: \xff\xfe\n\n")


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 101 + b"\n\n"],
        [b"x" * 60, b"x" * 60],
        [b"data: " + b"x" * 60 + b"\n"] * 2,
        [b": " + b"x" * 101 + b"\n"],
    ],
)
def test_an_event_above_the_bound_is_a_protocol_error(chunks: list[bytes]) -> None:
    with pytest.raises(ProviderProtocol, match="100 bytes"):
        parse(*chunks, max_event_bytes=100)


def test_the_bound_is_on_an_event_and_not_on_the_stream() -> None:
    assert len(parse(*[b": " + b"y" * 50 + b"\ndata: " + b"x" * 50 + b"\n\n"] * 100, max_event_bytes=100)) == 100


def test_events_arrive_as_soon_as_their_last_byte_does() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\r\n\r") == [ServerSentEvent("message", "a")]
    assert parser.feed(b"\ndata: b\n") == []
    assert parser.feed(b"\n") == [ServerSentEvent("message", "b")]
