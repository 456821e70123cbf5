"""The service's core in one piece: reads a prompt, looks whether it was judged before, and asks the batcher if not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from services.classifier.answer import Answer, QueueFull, TierWish
from services.classifier.batcher import Batcher
from services.classifier.cache import AnswerCache, content_key
from services.classifier.counters import ClassifierCounters
from services.classifier.model import ClassifierModel
from services.classifier.prompt_text import PromptText

# Below this a prompt is read and looked up in some ten microseconds; a thread would take longer to hear of it.
READ_ON_LOOP_BYTES = 16 * 1024
# Long prompts that may wait for their reading.
LONG_PROMPTS = 64


class CachedBatcher:
    """A batcher with a memory. Owns the thread that reads long prompts; open it with `running`."""

    def __init__(self, batcher: Batcher, cache_entries: int) -> None:
        self._batcher = batcher
        self._cache = AnswerCache(cache_entries, batcher.counters)
        self._reader = ThreadPoolExecutor(1, "long-prompts")
        self._reading = 0

    @property
    def counters(self) -> ClassifierCounters:
        """Of everything inside."""
        return self._batcher.counters

    @property
    def model(self) -> ClassifierModel:
        """Judges the prompts that come from now on."""
        return self._batcher.model

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CachedBatcher"]:
        """Run the batcher while the block lasts; threads end with it."""
        try:
            async with self._batcher.running():
                yield self
        finally:
            self._reader.shutdown(wait=True, cancel_futures=True)

    def swap(self, model: ClassifierModel) -> None:
        """Have another model judge what comes; nothing that the old one said is told any more."""
        self._batcher.swap(model)
        self._cache.clear()

    async def classify(
        self, read: Callable[[], PromptText], size_bytes: int, wish: TierWish, remaining_s: float | None
    ) -> Answer:
        """Judge one prompt; `remaining_s` is the caller's time (None: no limit).

        Raises QueueFull and InferenceError.
        """
        if size_bytes < READ_ON_LOOP_BYTES:
            text = read()
            key = content_key(text, wish) if self._cache.enabled else b""
        else:
            began_s = asyncio.get_running_loop().time()
            text, key = await self._read_long(read, wish)
            if remaining_s is not None:
                remaining_s -= asyncio.get_running_loop().time() - began_s
        if not self._cache.enabled:
            return await self._batcher.classify(text, wish, remaining_s)
        if (known := self._cache.get(key)) is not None:
            return known
        model = self._batcher.model
        answer = await self._batcher.classify(text, wish, remaining_s)
        # A model that was swapped out meanwhile may have spoken.
        if self._batcher.model is model:
            self._cache.put(key, answer)
        return answer

    async def _read_long(self, read: Callable[[], PromptText], wish: TierWish) -> tuple[PromptText, bytes]:
        if self._reading >= LONG_PROMPTS:
            self.counters.refused += 1
            raise QueueFull
        enabled = self._cache.enabled

        def work() -> tuple[PromptText, bytes]:
            text = read()
            return text, content_key(text, wish) if enabled else b""

        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, work)
        except asyncio.CancelledError:
            self.counters.cancelled += 1
            raise
        finally:
            self._reading -= 1
