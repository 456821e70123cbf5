"""Brings concurrent prompts to the two tiers on two worker threads, and never lets one wait longer than it can.

        prepare + fast tier            queue (bounded)          encoder, a batch at a time
prompt ────────────────────> sure? ──────────────────> batch ────────────────────────────> answer
                              │ yes, or no time, or too long a wait, or queue full, or time ran out
                              └────────────────────────> the fast tier's answer
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from services.classifier.answer import Answer, QueueFull, TierWish
from services.classifier.counters import ClassifierCounters, Degradation
from services.classifier.encoder_queue import EncoderQueue, Waiting
from services.classifier.fast_lane import FastLane, Judged
from services.classifier.judgement import Judgement
from services.classifier.model import ClassifierModel
from services.classifier.prompt_text import PromptText
from services.classifier.window_tokens import WINDOW_TOKENS

logger = logging.getLogger(__name__)

# How long the encoder waits for company, and only while other prompts are on their way to it.
COMPANY_WAIT_S = 0.001
# Left for the way back of an answer.
REPLY_MARGIN_S = 0.002
# Until something was measured: one prompt of a full window.
ASSUMED_ENCODER_S = 0.010
# Longest time until the encoder begins.
ENCODER_WAIT_S = 0.015
# The fast tier is so much faster than the encoder; it has to outlast the encoder's queue.
FAST_QUEUE_RATIO = 16


class Batcher:
    """Owns the worker threads. Open it with `running`."""

    def __init__(
        self,
        model: ClassifierModel,
        *,
        max_batch: int,
        queue_size: int,
        encoder_wait_s: float = ENCODER_WAIT_S,
        assumed_encoder_s: float = ASSUMED_ENCODER_S,
        counters: ClassifierCounters | None = None,
    ) -> None:
        """`queue_size` prompts may wait for the encoder, FAST_QUEUE_RATIO times as many for the fast tier.

        A prompt that would wait or has waited more than `encoder_wait_s` for the encoder is the fast tier's.
        """
        self.counters = counters or ClassifierCounters()
        self._fast = FastLane(model, max_batch, self.counters.fast)
        self._fast_queue_size = FAST_QUEUE_RATIO * queue_size
        self._queue = EncoderQueue(queue_size, max_batch, encoder_wait_s, assumed_encoder_s / WINDOW_TOKENS)
        self._arrived = asyncio.Event()
        self._encoder_thread = ThreadPoolExecutor(1, "encoder")
        self._preparing = 0

    @property
    def model(self) -> ClassifierModel:
        """Judges the prompts that come from now on."""
        return self._fast.model

    def swap(self, model: ClassifierModel) -> None:
        """Have another model judge what comes; prompts that wait for the encoder stay with the model that prepared them."""
        self._fast.model = model

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Batcher"]:
        """Run the encoder's loop while the block lasts; threads end with it."""
        self._fast.start()
        loop = asyncio.create_task(self._encode_batches())
        try:
            yield self
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            for waiting in self._queue.clear():
                waiting.answer.cancel()
            await self._fast.close()
            self._encoder_thread.shutdown(wait=True)

    async def classify(self, text: PromptText, wish: TierWish, remaining_s: float | None) -> Answer:
        """Judge one prompt; `remaining_s` is the caller's time (None: no limit).

        Raises QueueFull and InferenceError.
        """
        if self._preparing >= self._fast_queue_size:
            self.counters.refused += 1
            raise QueueFull
        began_s = time.monotonic()
        deadline_s = None if remaining_s is None else began_s + remaining_s - REPLY_MARGIN_S
        self._preparing += 1
        try:
            fast = await self._fast.submit(text)
        except asyncio.CancelledError:
            self.counters.cancelled += 1
            raise
        finally:
            self._preparing -= 1
        if wish is TierWish.FAST or (wish is TierWish.AUTO and fast.model.fast_suffices(fast.judgement)):
            return Answer(fast.judgement, fast.model.revision)
        refined = await self._ask_encoder(fast, began_s, deadline_s)
        if isinstance(refined, Degradation):
            self.counters.degraded[refined] += 1
            return Answer(fast.judgement, fast.model.revision, refined)
        return Answer(refined, fast.model.revision)

    async def _ask_encoder(self, fast: Judged, began_s: float, deadline_s: float | None) -> Judgement | Degradation:
        queue, now_s, tokens = self._queue, time.monotonic(), len(fast.prompt.token_ids)
        wait_s = queue.wait_s(now_s, tokens)
        if deadline_s is not None and now_s + wait_s + queue.run_s(tokens) > deadline_s:
            return Degradation.DEADLINE
        # What the fast tier's queue took counts: the two share the cores.
        if now_s - began_s + wait_s > queue.wait_limit_s:
            return Degradation.LOAD
        if queue.full:
            return Degradation.QUEUE_FULL
        loop = asyncio.get_running_loop()
        waiting = Waiting(fast.model, fast.prompt, began_s, loop.create_future())
        queue.add(waiting)
        self._arrived.set()
        patience_s, reason = began_s + queue.patience_s, Degradation.LOAD
        if deadline_s is not None and deadline_s < patience_s:
            patience_s, reason = deadline_s, Degradation.DEADLINE
        timer = loop.call_later(patience_s - now_s, _answer, waiting, reason)
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            self.counters.cancelled += 1
            raise
        finally:
            timer.cancel()
            queue.leave(waiting)

    async def _encode_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._company()
            batch = self._queue.take(time.monotonic())
            for waiting in batch.late:
                _answer(waiting, Degradation.LOAD)
            if not batch.together:
                continue
            began_s = time.monotonic()
            try:
                judgements, worked_s = await loop.run_in_executor(self._encoder_thread, _encode, batch.together)
            except Exception:
                # Nothing that an operator's model does may end this loop: prompts would wait for ever.
                logger.exception("the encoder failed; the fast tier answers")
                answers: list[Judgement | Degradation] = [Degradation.FAILURE] * len(batch.together)
            else:
                answers = [*judgements]
                self.counters.encoder.ran(len(answers))
                now_s = time.monotonic()
                self._queue.ran(batch.together, now_s, now_s - began_s, worked_s)
            for waiting, answer in zip(batch.together, answers, strict=True):
                _answer(waiting, answer)

    async def _company(self) -> None:
        """Wait for a prompt, and a moment longer where it is alone and others are about to come."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        if self._preparing and len(self._queue) == 1:
            self._arrived.clear()
            try:
                async with asyncio.timeout(COMPANY_WAIT_S):
                    await self._arrived.wait()
            except TimeoutError:
                pass


def _encode(together: Sequence[Waiting]) -> tuple[list[Judgement], float]:
    """Judge a batch of one model; how long this thread worked on it, without what it waited for a core."""
    began_s = time.thread_time()
    judgements = together[0].model.judge_encoder([waiting.prompt for waiting in together])
    return judgements, time.thread_time() - began_s


def _answer(waiting: Waiting, answer: Judgement | Degradation) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)
