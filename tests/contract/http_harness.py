"""The harnesses of the two HTTP adapters: aimock plays what it can, a raw server what needs exact bytes."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager

from pydantic_core import to_json

from deploy.demo.aimock import run_aimock
from pointsman.config.schema import AnthropicHttpSection, CapabilityName, ModelSection, OpenAiHttpSection
from services.providers.anthropic_http import AnthropicHttpAdapter
from services.providers.contract import Adapter
from services.providers.openai_http import OpenAiHttpAdapter
from tests.contract.harness import ANSWER, Case, Running
from tests.contract.raw_upstream import WAIT, Then, chunk, free_port, run_raw_upstream, stream_head

GOOD_KEY, BAD_KEY = "sk-test-0123456789", "sk-test-9876543210"
USAGE = {"prompt_tokens": 11, "completion_tokens": 12, "total_tokens": 23}
TOOL_CALLS = [
    {"id": "call_1", "name": "set_points", "arguments": {"track": 2}},
    {"id": "call_2", "name": "ring", "arguments": {}},
]
HALF = ANSWER[: len(ANSWER) // 2]

RESPONSES: Mapping[Case, Mapping[str, object]] = {
    Case.TEXT: {"content": ANSWER, "usage": USAGE},
    Case.TOOL_CALLS: {"toolCalls": TOOL_CALLS, "usage": USAGE},
    Case.LENGTH: {"content": HALF, "finishReason": "length", "usage": USAGE},
    Case.RATE_LIMITED: {"error": {"message": "Slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 7},
    Case.OVERLOADED: {"error": {"message": "Overloaded", "type": "overloaded_error"}, "status": 529},
    Case.BAD_KEY: {"content": ANSWER},
    # aimock answers 404 for a model that no fixture knows.
    Case.UNKNOWN_MODEL: {"content": ANSWER},
}


def fixtures(case: Case, model: str) -> Sequence[Mapping[str, object]]:
    """aimock's fixtures for one case."""
    known = "another-model" if case is Case.UNKNOWN_MODEL else model
    return [{"match": {"model": known}, "response": RESPONSES[case]}]


class HttpHarness:
    """What both have in common: which upstream plays which case."""

    name: str
    model: str
    cases = frozenset(Case)

    def adapter(self, url: str, key: str) -> Adapter:
        """The adapter for an API at the root `url`."""
        raise NotImplementedError

    def frames(self, text: str) -> list[bytes]:
        """The first events of a stream that says `text`, a piece each."""
        raise NotImplementedError

    def run(self, case: Case) -> AbstractAsyncContextManager[Running]:
        """Starts the upstream and the adapter."""
        return self._run(case)

    @asynccontextmanager
    async def _run(self, case: Case) -> AsyncIterator[Running]:
        async with AsyncExitStack() as stack:
            closed, go_on = asyncio.Event(), asyncio.Event()
            if case in RESPONSES:
                keys = [GOOD_KEY]
                upstream = await stack.enter_async_context(run_aimock(fixtures(case, self.model), api_keys=keys))
                url = upstream.url
            elif case is Case.DOWN:
                url = f"http://127.0.0.1:{free_port()}"
            else:
                pieces = [stream_head(), *map(chunk, self.frames(HALF))]
                if case is not Case.STALLED:
                    pieces.append(WAIT)
                if case is Case.BROKEN:
                    # One such event is passed over.
                    pieces.append(chunk(b"data: {]\n\n" * 2))
                then = Then.CLOSE if case is Case.CUT else Then.KEEP
                raw = await stack.enter_async_context(run_raw_upstream(pieces, then=then))
                url, closed, go_on = raw.url, raw.client_closed, raw.go_on
            key = BAD_KEY if case is Case.BAD_KEY else GOOD_KEY
            yield Running(await stack.enter_async_context(aclosing(self.adapter(url, key))), closed, go_on)


class OpenAiHarness(HttpHarness):
    """openai_http."""

    name = "openai_http"
    model = "gpt-4o-mini"

    def adapter(self, url: str, key: str) -> OpenAiHttpAdapter:
        section = OpenAiHttpSection(kind="openai_http", base_url=f"{url}/v1")
        return OpenAiHttpAdapter(section, {self.model: able(self.model)}, key)

    def frames(self, text: str) -> list[bytes]:
        return [
            openai_frame({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in (text[:5], text[5:])
        ]


class AnthropicHarness(HttpHarness):
    """anthropic_http."""

    name = "anthropic_http"
    model = "claude-haiku-4-5"

    def adapter(self, url: str, key: str) -> AnthropicHttpAdapter:
        section = AnthropicHttpSection(kind="anthropic_http", base_url=url)
        return AnthropicHttpAdapter(section, {self.model: able(self.model)}, key)

    def frames(self, text: str) -> list[bytes]:
        return [
            anthropic_frame("message_start", message={"usage": {"input_tokens": 3, "output_tokens": 1}}),
            anthropic_frame("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            anthropic_frame("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        ]


def able(model: str) -> ModelSection:
    """A model that can do all."""
    return ModelSection(provider="p", model=model, quality=0.5, capabilities=frozenset(CapabilityName))


def openai_frame(payload: Mapping[str, object]) -> bytes:
    """One event as chat completions APIs send it."""
    return b"data: " + to_json(payload) + b"\n\n"


def anthropic_frame(kind: str, **payload: object) -> bytes:
    """One event as the Messages API sends it."""
    return b"event: " + kind.encode() + b"\ndata: " + to_json({"type": kind} | payload) + b"\n\n"
