"""What the HTTP adapters say of their models' health, by what the API answers when asked for its list."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing

import pytest

from pointsman.config.schema import AnthropicHttpSection, OpenAiHttpSection
from pointsman.llm.v1 import generation_pb2 as generation
from services.providers.anthropic_http import AnthropicHttpAdapter
from services.providers.contract import ModelHealth, ModelState
from services.providers.openai_http import OpenAiHttpAdapter
from tests.contract.http_harness import able
from tests.contract.raw_upstream import run_raw_upstream, whole
from tests.unit.providers.prompts import user_says

READY, DEGRADED, UNAVAILABLE = ModelState.READY, ModelState.DEGRADED, ModelState.UNAVAILABLE
NOT_FOUND = whole("404 Not Found", b'{"type":"error","error":{"type":"not_found_error","message":"no"}}')


def ok(value: object) -> bytes:
    return whole("200 OK", json.dumps(value).encode())


async def openai_health(answer: bytes, *models: str) -> Mapping[str, ModelHealth]:
    async with run_raw_upstream([answer]) as upstream:
        section = OpenAiHttpSection(kind="openai_http", base_url=upstream.url)
        async with aclosing(OpenAiHttpAdapter(section, {name: able(name) for name in models}, None)) as adapter:
            health = await adapter.check_health()
        assert upstream.requests[0].startswith(b"GET /models HTTP/1.1\r\n")
    return health


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (ok({"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b"}]}), READY, ""),
        (ok([{"id": "a"}]), READY, ""),
        (ok({"data": [{"id": "models/a"}]}), READY, ""),
        (ok({"data": [{"id": "b"}]}), UNAVAILABLE, "the provider does not have it"),
        (ok({"models": []}), DEGRADED, "not readable"),
        (whole("200 OK", b"<html>", "text/html"), DEGRADED, "not readable"),
        (NOT_FOUND, READY, ""),
        (whole("405 Method Not Allowed", b""), READY, ""),
        (whole("401 Unauthorized", b'{"error":{"message":"bad key"}}'), UNAVAILABLE, "credentials: .*bad key"),
        (whole("403 Forbidden", b""), UNAVAILABLE, "credentials"),
        (whole("429 Too Many Requests", b'{"error":{"message":"slow down"}}'), DEGRADED, "slow down"),
        (whole("503 Service Unavailable", b'{"error":{"message":"down for repair"}}'), UNAVAILABLE, "down for repair"),
    ],
)
async def test_a_model_of_an_openai_api(answer: bytes, state: ModelState, words: str) -> None:
    health = await openai_health(answer, "a")
    assert health["a"].state is state
    assert re.search(words, health["a"].detail)


async def test_each_model_is_judged_by_itself() -> None:
    health = await openai_health(ok({"data": [{"id": "a"}]}), "a", "b")
    assert [health[name].state for name in "ab"] == [READY, UNAVAILABLE]


async def anthropic_run(answers: Sequence[bytes], *models: str) -> tuple[Mapping[str, ModelHealth], list[str]]:
    async with run_raw_upstream(*([answer] for answer in answers)) as upstream:
        section = AnthropicHttpSection(kind="anthropic_http", base_url=upstream.url)
        async with aclosing(AnthropicHttpAdapter(section, {name: able(name) for name in models}, "k")) as adapter:
            health = await adapter.check_health()
        return health, [request.split(b" ")[1].decode() for request in upstream.requests]


async def test_all_pages_of_anthropics_list_are_read() -> None:
    pages = [
        ok({"data": [{"id": "a"}], "has_more": True, "first_id": "a", "last_id": "a"}),
        ok(
            {
                "data": [{"id": "b", "lifecycle": "active"}, {"id": "c", "lifecycle": "retired"}],
                "has_more": False,
                "last_id": "c",
            }
        ),
    ]
    health, paths = await anthropic_run(pages, "a", "b", "c")
    assert {name: h.state for name, h in health.items()} == {"a": READY, "b": READY, "c": UNAVAILABLE}
    assert "retired" in health["c"].detail
    assert paths == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=a"]


async def test_a_name_that_is_not_in_the_list_may_be_an_alias() -> None:
    listing = ok({"data": [{"id": "model-20990101"}], "has_more": False})
    health, paths = await anthropic_run([listing, ok({"id": "model-20990101"})], "model")
    assert health == {"model": ModelHealth(READY)}
    assert paths[1] == "/v1/models/model"
    health, _ = await anthropic_run([listing, NOT_FOUND], "model")
    assert health == {"model": ModelHealth(UNAVAILABLE, "the provider does not have it")}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (NOT_FOUND, READY),
        (whole("401 Unauthorized", b'{"error":{"type":"authentication_error","message":"bad"}}'), UNAVAILABLE),
        (whole("529 Overloaded", b'{"error":{"type":"overloaded_error","message":"busy"}}'), UNAVAILABLE),
        (ok({"data": [], "has_more": True, "last_id": "again"}), DEGRADED),
    ],
)
async def test_anthropics_api_as_a_whole(answer: bytes, state: ModelState) -> None:
    health, _ = await anthropic_run([answer], "a")
    assert health["a"].state is state


async def test_what_the_list_says_of_thinking_is_how_the_model_is_asked_to_think() -> None:
    no, yes = {"supported": False}, {"supported": True}
    older = {"effort": no, "thinking": {"supported": True, "types": {"adaptive": no, "enabled": yes, "disabled": yes}}}
    refusal = whole("400 Bad Request", b"{}")
    request = user_says("hi", sampling=generation.SamplingOptions(reasoning_effort=generation.REASONING_EFFORT_LOW))
    listing = ok({"data": [{"id": "m", "capabilities": older}], "has_more": False})
    async with run_raw_upstream([refusal], [listing], [refusal]) as upstream:
        section = AnthropicHttpSection(kind="anthropic_http", base_url=upstream.url)
        async with aclosing(AnthropicHttpAdapter(section, {"m": able("m")}, "k")) as adapter:
            bodies = []
            for asked in (False, True):
                if asked:
                    await adapter.check_health()
                with pytest.raises(Exception, match="refused the request"):
                    _ = [batch async for batch in adapter.generate(request)]
                bodies.append(json.loads(upstream.requests[-1].partition(b"\r\n\r\n")[2]))
    assert bodies[0]["thinking"]["type"] == "adaptive" and bodies[0]["output_config"] == {"effort": "low"}
    assert bodies[1]["thinking"] == {"type": "enabled", "budget_tokens": 1_024} and "output_config" not in bodies[1]
