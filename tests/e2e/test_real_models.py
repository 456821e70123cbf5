"""Prompts through the whole mesh to real models: pinned, left to the router, and what telemetry then shows of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pointsman.channel import open_channel
from pointsman.items import FinishReason
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.router.v1.router_service_pb2 import Candidate
from pointsman.telemetry.v1.telemetry_service_pb2 import ModelStats, WatchStatsRequest
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from tests.e2e.real_models import INPUT_TOKENS, OUTPUT_TOKENS, RealMesh, running_real_mesh
from tests.e2e.service_processes import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

TINY_CHAT = "triton/tiny-chat"
COMMERCIAL = ("openai/gpt-5-mini", "openai/gpt-5", "anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5")
FRANCE = "What is the capital of France?"
EASY, HARD = "hi there, how are you today?", "Prove that there are infinitely many primes of the form 4k + 3"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealMesh]:
    """One mesh for all tests here. One task enters and leaves it: fixtures are set up and torn down in different ones."""
    ready: asyncio.Future[RealMesh] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def host() -> None:
        async with running_real_mesh(tmp_path_factory.mktemp("mesh")) as running:
            ready.set_result(running)
            await over.wait()

    hosting = asyncio.create_task(host())
    either: set[asyncio.Future[Any]] = {hosting, ready}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        yield ready.result()
    over.set()
    await hosting


@pytest.mark.parametrize("model", COMMERCIAL)
async def test_a_pinned_commercial_model_streams_its_whole_answer(mesh: RealMesh, model: str) -> None:
    for one in mesh.asked:
        answer = await mesh.ask(one.prompt, pinned_model=model)
        assert (answer.model, answer.text, answer.finished.reason) == (model, one.answer, FinishReason.STOP)
        assert answer.decision.reason == f"pinned to {model}"
        usage = answer.finished.usage
        assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (INPUT_TOKENS, OUTPUT_TOKENS, False)
        assert usage.cost_micros > 0
        assert 0 < usage.time_to_first_token_s <= usage.total_time_s


async def test_triton_answers_every_prompt_and_counts_each_token(mesh: RealMesh) -> None:
    sampling = SamplingOptions(max_output_tokens=48, temperature=0)
    answers = await asyncio.gather(
        *(mesh.ask(one.prompt, pinned_model=TINY_CHAT, sampling=sampling) for one in mesh.asked)
    )
    for answer in answers:
        assert (answer.model, answer.decision.reason) == (TINY_CHAT, f"pinned to {TINY_CHAT}")
        assert answer.text.strip()
        usage = answer.finished.usage
        assert not usage.estimated
        assert usage.input_tokens > 0 and usage.cost_micros > 0
        assert usage.output_tokens <= 48
        # The mark that ends a whole answer is a token without text.
        marks = 1 if answer.finished.reason is FinishReason.STOP else 0
        assert answer.tokens + marks == usage.output_tokens


async def test_triton_honours_what_the_caller_asks_of_it(mesh: RealMesh) -> None:
    async def ask(prompt: str, sampling: SamplingOptions) -> tuple[str, FinishReason, int]:
        answer = await mesh.ask(prompt, pinned_model=TINY_CHAT, sampling=sampling)
        return answer.text, answer.finished.reason, answer.finished.usage.output_tokens

    text, reason, _ = await ask(FRANCE, SamplingOptions(temperature=0))
    assert (text, reason) == ("The capital of France is Paris.", FinishReason.STOP)
    text, reason, tokens = await ask(FRANCE, SamplingOptions(temperature=0, max_output_tokens=3))
    assert (text, reason, tokens) == ("The capital of", FinishReason.LENGTH, 3)
    text, reason, _ = await ask(FRANCE, SamplingOptions(temperature=0, stop=["France is"]))
    assert (text, reason) == ("The capital of ", FinishReason.STOP)
    stories = [
        await ask(
            "Tell me a story about a fox.",
            SamplingOptions(temperature=1.5, top_p=0.95, seed=seed, max_output_tokens=60),
        )
        for seed in (1, 1, 2)
    ]
    assert stories[0] == stories[1] != stories[2]


async def test_a_prompt_without_a_pin_is_judged_and_its_choice_explained(mesh: RealMesh) -> None:
    answers = [await mesh.ask(one.prompt, policy=one.policy) for one in mesh.asked]
    for one, answer in zip(mesh.asked, answers, strict=True):
        decision, judged = answer.decision, answer.decision.classification
        assert judged.intents[0].intent and 0 <= judged.complexity <= 1
        assert not decision.default_complexity
        assert decision.policy == (one.policy or "balanced")
        rule = f"rule {decision.rule!r}, " if decision.rule else ""
        assert decision.reason.startswith(f"{rule}{judged.intents[0].intent}, complexity {judged.complexity:.2f}: ")
        assert len(decision.candidates) == 1 + len(COMMERCIAL)
        assert {c.verdict for c in decision.candidates} == {Candidate.VERDICT_ELIGIBLE}
        assert (decision.candidates[0].model, decision.chosen.provider) == (decision.chosen, answer.model.split("/")[0])
        assert answer.text == one.answer or answer.model == TINY_CHAT
    complexity = {answer.decision.classification.complexity for answer in answers}
    assert len(complexity) > 1
    by_prompt = {one.prompt: answer for one, answer in zip(mesh.asked, answers, strict=True)}
    hard = next(answer for prompt, answer in by_prompt.items() if prompt.startswith(HARD))
    assert by_prompt[EASY].decision.classification.complexity < hard.decision.classification.complexity
    # A greeting is not worth a dear model, and a proof is.
    assert by_prompt[EASY].finished.usage.cost_micros < hard.finished.usage.cost_micros
    assert len({answer.model for answer in answers}) > 1


async def test_telemetry_shows_what_every_model_did(mesh: RealMesh) -> None:
    for model in (TINY_CHAT, *COMMERCIAL):
        await mesh.ask(mesh.asked[0].prompt, pinned_model=model)
    async with open_channel(mesh.telemetry_address) as channel:
        watch = TelemetryServiceStub(channel).WatchStats(WatchStatsRequest(), timeout=PATIENCE_S)
        async for tick in watch:
            stats = {f"{s.model.provider}/{s.model.model}": s for s in tick.models}
            if {model: counted(s) for model, s in stats.items()} == mesh.used:
                break
        watch.cancel()
    assert set(stats) == {TINY_CHAT, *COMMERCIAL}
    for seen in stats.values():
        assert (seen.failures, seen.cancelled) == (0, 0)
        assert 0 < seen.first_token_seconds.p50 <= seen.first_token_seconds.p99
        assert seen.total_seconds.p50 >= seen.first_token_seconds.p10
    assert stats[TINY_CHAT].tokens_per_second.p50 > 0


def counted(stats: ModelStats) -> Counter[str]:
    """What is counted the same by clients and by telemetry."""
    return Counter(
        attempts=stats.attempts,
        input_tokens=stats.input_tokens,
        output_tokens=stats.output_tokens,
        cost_micros=stats.cost_micros,
    )
