"""How long one prompt takes, one at a time, over a Unix socket: the whole call, as the router sees it."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.classifier.judging import Progress
from bench.classifier.service import (
    ENCODER,
    FAST,
    Client,
    ServiceFailed,
    from_cache,
    request,
    run_bare,
    run_service,
    tiers,
)  # fmt: skip
from bench.classifier.texts import Words
from pointsman.classifier.v1.classifier_service_pb2 import ClassifierTier

WARM_UP = 50
TOKENS = (8, 16, 32, 64, 96, 128, 256, 1024)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> "Times":
        """Quantiles of a sample."""
        p50, p99 = np.quantile(np.array(times_s), (0.5, 0.99)) * 1e3
        return cls(float(p50), float(p99))


@dataclass(frozen=True, slots=True)
class Latency:
    """Of prompts of mixed lengths, of each length, of a call that does nothing, of one whose answer is remembered."""

    fast: Times
    bare: Times
    cached: Times
    encoder_by_tokens: dict[int, Times]
    fast_by_tokens: dict[int, Times]
    rss_mb: float
    """Resident memory of the service after all of this."""


async def measure(folder: Path, models_dir: Path, words: Words, rounds: int, progress: Progress) -> Latency:
    """Each call has a prompt of its own, so that no memory of earlier ones answers. Raises ServiceFailed."""
    rng = np.random.default_rng(1)
    by_tokens: dict[ClassifierTier, dict[int, Times]] = {FAST: {}, ENCODER: {}}
    async with run_service(folder / "latency", "encoder", models_dir) as client:
        progress("latency: the fast tier, mixed lengths")
        fast, answers = await _ask(client, words.mixed(WARM_UP + 3 * rounds, rng), FAST)
        for tokens in TOKENS:
            progress(f"latency: both tiers at {tokens} tokens")
            for tier, found in by_tokens.items():
                texts = [words.text(tokens, rng) for _ in range(WARM_UP + rounds)]
                found[tokens], _ = await _ask(client, texts, tier)
        rss_mb = client.rss_mb()
    cached = await _cached(folder, models_dir, words, rounds, progress)
    progress("latency: a call that does nothing")
    async with run_bare(folder / "bare", answers[-1]) as client:
        bare, _ = await _ask(client, words.mixed(WARM_UP + 3 * rounds, rng), FAST)
    return Latency(fast, bare, cached, by_tokens[ENCODER], by_tokens[FAST], rss_mb)


async def _cached(folder: Path, models_dir: Path, words: Words, rounds: int, progress: Progress) -> Times:
    progress("latency: remembered answers")
    async with run_service(folder / "cached", "encoder", models_dir, cache=True) as client:
        texts = words.mixed(WARM_UP, np.random.default_rng(2))
        asked = texts * (2 + rounds // WARM_UP)
        times, answers = await _ask(client, asked, ENCODER)
        if from_cache(answers) < 0.95 * len(answers):
            raise ServiceFailed(f"expected remembered answers, found {from_cache(answers)} of {len(answers)}")
    return times


async def _ask(client: Client, texts: Sequence[str], tier: ClassifierTier) -> tuple[Times, list[bytes]]:
    """Ask one after the other; the first WARM_UP are not counted. Raises ServiceFailed where the other tier answered."""
    requests = [request(text, tier) for text in texts]
    answers: list[bytes] = []
    gc.collect()
    gc.disable()
    try:
        times_s = [await client.ask_s(one, answers) for one in requests]
    finally:
        gc.enable()
    if (right := tiers(answers)[tier]) < 0.99 * len(answers):
        raise ServiceFailed(f"expected answers of {ClassifierTier.Name(tier)}, found {right} of {len(answers)}")
    return Times.of(times_s[WARM_UP:]), answers[WARM_UP:]
