"""What the HTTP adapters do with the wire itself: cuts at any byte, broken HTTP, reuse of connections, headers and bodies."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

import pytest
from pydantic_core import from_json

from pointsman import errors
from pointsman.config.schema import AnthropicHttpSection, OpenAiHttpSection
from services.providers.anthropic_http import AnthropicHttpAdapter
from services.providers.contract import Adapter, Event, Finished, FinishReason, Text
from services.providers.http_upstream import HttpUpstream
from services.providers.openai_http import OpenAiHttpAdapter
from tests.contract.harness import ANSWER, WAIT_S, request_for
from tests.contract.http_harness import (
    GOOD_KEY,
    AnthropicHarness,
    HttpHarness,
    OpenAiHarness,
    able,
    anthropic_frame,
    openai_frame,
)
from tests.contract.raw_upstream import WAIT, RawUpstream, Then, chunk, run_raw_upstream, stream_head, whole

OPENAI, ANTHROPIC = OpenAiHarness(), AnthropicHarness()
ENDINGS: Mapping[str, bytes] = {
    OPENAI.name: openai_frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n",
    ANTHROPIC.name: anthropic_frame("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4})
    + anthropic_frame("message_stop"),
}
both = pytest.mark.parametrize("harness", [OPENAI, ANTHROPIC], ids=lambda harness: harness.name)


def answer_of(harness: HttpHarness, text: str = ANSWER) -> bytes:
    return b"".join(harness.frames(text)) + ENDINGS[harness.name]


async def call(adapter: Adapter, harness: HttpHarness) -> list[Event]:
    async with aclosing(adapter.generate(request_for(harness))) as batches:
        return [event async for batch in batches for event in batch]


async def ask(harness: HttpHarness, answer: Sequence[bytes], then: Then = Then.KEEP) -> list[Event]:
    async with (
        run_raw_upstream(answer, then=then) as upstream,
        aclosing(harness.adapter(upstream.url, GOOD_KEY)) as adapter,
    ):
        return await call(adapter, harness)


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


@both
async def test_a_stream_cut_at_every_byte_is_the_same_stream(harness: HttpHarness) -> None:
    text = "Zürich ☂ 𝄞"
    body = answer_of(harness, text)
    pieces = [chunk(body[i : i + 1]) for i in range(len(body))]
    events = await ask(harness, [stream_head(), *pieces, chunk(b"")])
    assert text_of(events) == text
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.STOP


@both
async def test_a_stream_that_ends_with_its_connection_is_whole_once_it_said_why_it_stopped(
    harness: HttpHarness,
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    events = await ask(harness, [head, answer_of(harness)], then=Then.CLOSE)
    assert text_of(events) == ANSWER and isinstance(events[-1], Finished)
    with pytest.raises(errors.StreamCut):
        await ask(harness, [head, *harness.frames(ANSWER)], then=Then.CLOSE)


@both
@pytest.mark.parametrize(
    ("pieces", "then", "error"),
    [
        ([], Then.CLOSE, errors.ProviderUnreachable),
        ([], Then.RESET, errors.ProviderUnreachable),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], Then.CLOSE, errors.ProviderProtocol),
        ([stream_head()], Then.RESET, errors.StreamCut),
        ([stream_head(), chunk(b"data: 1")], Then.CLOSE, errors.StreamCut),
        ([stream_head(), chunk(b"")], Then.KEEP, errors.StreamCut),
        ([stream_head(), b"not-a-length\r\n"], Then.KEEP, errors.ProviderProtocol),
        ([stream_head(), chunk(b"data: \xff\xfe\n\n")], Then.KEEP, errors.ProviderProtocol),
        ([stream_head("text/html"), chunk(b"<html>")], Then.KEEP, errors.ProviderProtocol),
        ([whole("200 OK", b"{]")], Then.KEEP, errors.ProviderProtocol),
        ([whole("200 OK", b"<html>", "text/html")], Then.KEEP, errors.ProviderProtocol),
        ([whole("302 Found", b"", "text/html", "Location: http://127.0.0.1:9/")], Then.KEEP, errors.ProviderProtocol),
        ([whole("500 Oops", b"", "text/html")], Then.KEEP, errors.ProviderUnavailable),
        # The body of an error never ends as announced: its status still counts.
        ([b"HTTP/1.1 429 Slow\r\nContent-Length: 99\r\n\r\nslow"], Then.CLOSE, errors.ProviderRateLimited),
    ],
)
async def test_broken_http_has_its_place_in_the_tree(
    harness: HttpHarness, pieces: Sequence[bytes], then: Then, error: type[errors.PointsmanError]
) -> None:
    with pytest.raises(errors.PointsmanError) as raised:
        await ask(harness, pieces, then)
    assert type(raised.value) is error, raised.value.message


@both
@pytest.mark.parametrize("apart", [False, True], ids=["end in the same segment", "end after"])
async def test_a_finished_answer_leaves_its_connection_to_the_next(harness: HttpHarness, apart: bool) -> None:
    answer, end = stream_head() + chunk(answer_of(harness)), chunk(b"")
    pieces = [answer, end] if apart else [answer + end]
    async with run_raw_upstream(pieces) as upstream, aclosing(harness.adapter(upstream.url, GOOD_KEY)) as adapter:
        for _ in range(3):
            batches = adapter.generate(request_for(harness))
            async for batch in batches:
                if isinstance(batch[-1], Finished):
                    break
            await batches.aclose()
        assert len(upstream.requests) == 3
        assert upstream.connections == 1


@both
async def test_a_call_that_waits_for_its_answer_can_be_cancelled(harness: HttpHarness) -> None:
    async with run_raw_upstream([]) as upstream, aclosing(harness.adapter(upstream.url, GOOD_KEY)) as adapter:
        task = asyncio.create_task(call(adapter, harness))
        async with asyncio.timeout(WAIT_S):
            await upstream.requested.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await upstream.client_closed.wait()


def parse(request: bytes) -> tuple[str, dict[str, str], dict[str, object]]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return first, headers, from_json(body) if body else {}


async def test_what_an_openai_api_is_sent() -> None:
    async with run_raw_upstream([whole("404 Not Found", b"{}")]) as upstream:
        section = OpenAiHttpSection(
            kind="openai_http",
            base_url=f"{upstream.url}/openai/v1/?api-version=2",
            headers={"x-team": "a", "USER-AGENT": "us"},
        )
        async with aclosing(OpenAiHttpAdapter(section, {OPENAI.model: able(OPENAI.model)}, GOOD_KEY)) as adapter:
            with pytest.raises(errors.ProviderModelUnknown):
                await call(adapter, OPENAI)
        first, headers, body = parse(upstream.requests[0])
    assert first == "POST /openai/v1/chat/completions?api-version=2 HTTP/1.1"
    assert headers["authorization"] == f"Bearer {GOOD_KEY}"
    assert headers["accept"] == "text/event-stream" and headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"
    assert headers["x-team"] == "a" and headers["user-agent"] == "us"
    assert body["model"] == OPENAI.model and body["stream"] is True


@pytest.mark.parametrize("path", ["", "/", "/v1"])
async def test_what_the_anthropic_api_is_sent(path: str) -> None:
    async with run_raw_upstream([whole("404 Not Found", b"{}")]) as upstream:
        section = AnthropicHttpSection(
            kind="anthropic_http", base_url=upstream.url + path, headers={"anthropic-beta": "b"}
        )
        async with aclosing(
            AnthropicHttpAdapter(section, {ANTHROPIC.model: able(ANTHROPIC.model)}, GOOD_KEY)
        ) as adapter:
            with pytest.raises(errors.ProviderModelUnknown):
                await call(adapter, ANTHROPIC)
        first, headers, body = parse(upstream.requests[0])
    assert first == "POST /v1/messages HTTP/1.1"
    assert headers["x-api-key"] == GOOD_KEY and "authorization" not in headers
    assert headers["anthropic-version"] == "2023-06-01" and headers["anthropic-beta"] == "b"
    assert body["model"] == ANTHROPIC.model and body["stream"] is True


@both
async def test_a_prompt_of_many_megabytes_arrives_whole(harness: HttpHarness) -> None:
    request = request_for(harness)
    request.prompt.turns[0].parts[0].text = "x" * 5_000_000
    answer = [stream_head() + chunk(answer_of(harness)) + chunk(b"")]
    async with run_raw_upstream(answer) as upstream, aclosing(harness.adapter(upstream.url, GOOD_KEY)) as adapter:
        async with aclosing(adapter.generate(request)) as batches:
            events = [event async for batch in batches for event in batch]
        assert len(upstream.requests[0]) > 5_000_000
    assert text_of(events) == ANSWER


@both
async def test_a_refused_key_is_not_repeated(harness: HttpHarness) -> None:
    said = (
        b'{"error":{"message":"Incorrect API key provided: ' + GOOD_KEY.encode() + b'","type":"authentication_error"}}'
    )
    with pytest.raises(errors.ProviderCredentials) as raised:
        await ask(harness, [whole("401 Unauthorized", said)])
    assert "Incorrect API key" in raised.value.message
    assert GOOD_KEY not in raised.value.message


@both
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("retry-after-ms: 1500", 1.5), ("Retry-After: 3", 3.0), ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
async def test_the_time_to_wait_comes_with_the_error(harness: HttpHarness, header: str, seconds: float) -> None:
    with pytest.raises(errors.ProviderRateLimited) as raised:
        await ask(harness, [whole("429 Too Many Requests", b"{}", "application/json", header)])
    assert raised.value.retry_after_s == seconds


def client_of(upstream: RawUpstream) -> HttpUpstream:
    return HttpUpstream(upstream.url, headers={}, configured={}, key=None, connect_timeout_s=5.0, join_s=0.0)


async def test_a_question_about_health_has_a_limit_of_time_and_of_size() -> None:
    async with run_raw_upstream([WAIT]) as upstream, aclosing(client_of(upstream)) as client:
        with pytest.raises(errors.ProviderUnreachable, match="timed out"):
            await client.get("models", {}, timeout_s=0.01, limit_bytes=100)
    async with run_raw_upstream([whole("200 OK", b"x" * 101)]) as upstream, aclosing(client_of(upstream)) as client:
        with pytest.raises(errors.ProviderProtocol, match="100 bytes"):
            await client.get("models", {}, timeout_s=WAIT_S, limit_bytes=100)
