"""Brings concurrent prompts to the two tiers on two worker threads, and never lets one wait longer than it can.

        prepare + fast tier            queue (bounded)          encoder, a batch at a time
prompt ────────────────────> sure? ──────────────────> batch ────────────────────────────> answer
                              │ yes, or no time, or queue full, or time ran out
                              └────────────────────────> the fast tier's answer
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

from services.classifier.judgement import Judgement
from services.classifier.model import ClassifierModel, PreparedPrompt
from services.classifier.onnx_model import InferenceError
from services.classifier.prompt_text import PromptText

logger = logging.getLogger(__name__)

# How long the encoder waits for company, and only while other prompts are on their way to it.
COMPANY_WAIT_S = 0.001
# Left for the way back of an answer.
REPLY_MARGIN_S = 0.002
# Until something was measured: one prompt of a full window.
ASSUMED_ENCODER_S = 0.010
# The fast tier is so much faster than the encoder; it has to outlast the encoder's queue.
FAST_QUEUE_RATIO = 16
# Prompts whose lengths differ more than this are not padded together.
LENGTH_RATIO = 2


class TierWish(Enum):
    """What is asked for: the fast tier, the encoder wherever time allows, or the encoder where the fast tier is unsure."""

    FAST = "fast"
    ENCODER = "encoder"
    AUTO = "auto"


class QueueFull(Exception):
    """More prompts wait for the fast tier than its queue may hold."""


@dataclass(slots=True)
class BatcherCounters:
    """What was not done as wished: answered by the fast tier for want of room or of time, or refused."""

    queue_full: int = 0
    deadline_near: int = 0
    encoder_failed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    prompt: PreparedPrompt
    fast: Judgement
    answer: asyncio.Future[Judgement]


class Batcher:
    """Owns the worker threads. Open it with `running`."""

    def __init__(
        self, model: ClassifierModel, *, max_batch: int, queue_size: int, assumed_encoder_s: float = ASSUMED_ENCODER_S
    ) -> None:
        """`queue_size` prompts may wait for the encoder, FAST_QUEUE_RATIO times as many for the fast tier."""
        self._model = model
        self._max_batch = max_batch
        self._fast_queue_size = FAST_QUEUE_RATIO * queue_size
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(queue_size)
        self._fast_thread = ThreadPoolExecutor(1, "fast-tier")
        self._encoder_thread = ThreadPoolExecutor(1, "encoder")
        self._preparing = 0
        self._encoder_s = assumed_encoder_s
        self.counters = BatcherCounters()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Batcher"]:
        """Run the encoder's loop while the block lasts; threads end with it."""
        loop = asyncio.create_task(self._encode_batches())
        try:
            yield self
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            while not self._queue.empty():
                self._queue.get_nowait().answer.cancel()
            self._fast_thread.shutdown(wait=True)
            self._encoder_thread.shutdown(wait=True)

    async def classify(self, read: Callable[[], PromptText], wish: TierWish, remaining_s: float | None) -> Judgement:
        """Judge one prompt; `read` runs on the worker thread, `remaining_s` is the caller's time (None: no limit).

        Raises QueueFull.
        """
        if self._preparing >= self._fast_queue_size:
            self.counters.refused += 1
            raise QueueFull
        deadline_s = None if remaining_s is None else time.monotonic() + remaining_s - REPLY_MARGIN_S
        self._preparing += 1
        try:
            prompt, fast = await asyncio.get_running_loop().run_in_executor(
                self._fast_thread, self._read_and_judge, read
            )
        finally:
            self._preparing -= 1
        match wish:
            case TierWish.FAST:
                return fast
            case TierWish.AUTO if self._model.fast_suffices(fast):
                return fast
            case TierWish.AUTO | TierWish.ENCODER:
                return await self._ask_encoder(prompt, fast, deadline_s)

    def _read_and_judge(self, read: Callable[[], PromptText]) -> tuple[PreparedPrompt, Judgement]:
        text = read()
        prompt = self._model.prepare(text.judged, text.counted, text.counted_tokens)
        return prompt, self._model.judge_fast(prompt)

    async def _ask_encoder(self, prompt: PreparedPrompt, fast: Judgement, deadline_s: float | None) -> Judgement:
        needed_s = self._encoder_s * (1 + self._queue.qsize())
        if deadline_s is not None and time.monotonic() + needed_s > deadline_s:
            self.counters.deadline_near += 1
            return fast
        waiting = _Waiting(prompt, fast, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            self.counters.queue_full += 1
            return fast
        try:
            async with asyncio.timeout(None if deadline_s is None else deadline_s - time.monotonic()):
                return await waiting.answer
        except TimeoutError:
            self.counters.deadline_near += 1
            return fast

    async def _encode_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            if self._preparing and self._queue.empty():
                await asyncio.sleep(COMPANY_WAIT_S)
            while len(batch) < self._max_batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for part in by_length([w for w in batch if not w.answer.done()]):
                began_s = time.monotonic()
                prompts = [w.prompt for w in part]
                try:
                    answers = await loop.run_in_executor(self._encoder_thread, self._model.judge_encoder, prompts)
                except InferenceError:
                    logger.exception("the encoder failed; the fast tier answers")
                    self.counters.encoder_failed += len(part)
                    answers = [w.fast for w in part]
                self._encoder_s += 0.2 * ((time.monotonic() - began_s) / len(part) - self._encoder_s)
                for waiting, answer in zip(part, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(answer)


def by_length(batch: Sequence[_Waiting]) -> list[list[_Waiting]]:
    """Split a batch so that little is padded: in each part the longest is at most twice the shortest."""
    parts: list[list[_Waiting]] = []
    for waiting in sorted(batch, key=lambda w: len(w.prompt.token_ids)):
        if parts and len(waiting.prompt.token_ids) <= LENGTH_RATIO * len(parts[-1][0].prompt.token_ids):
            parts[-1].append(waiting)
        else:
            parts.append([waiting])
    return parts
