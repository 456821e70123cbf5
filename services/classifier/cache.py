"""Remembers answers by the content that they depend on, so that a prompt that comes again needs no inference."""

import hashlib
from collections import OrderedDict
from dataclasses import replace

from services.classifier.answer import Answer, TierWish
from services.classifier.counters import ClassifierCounters
from services.classifier.prompt_text import PromptText

DIGEST_BYTES = 16
# A long text is encoded a piece at a time, so that hashing it takes no second copy.
PIECE_CHARACTERS = 1 << 16


def content_key(text: PromptText, wish: TierWish) -> bytes:
    """Digest all that a judgement depends on."""
    judged, counted = text.judged, text.counted
    # The lengths keep what is judged and what is counted apart.
    head = f"{wish.value} {len(judged)} {len(counted)} {text.counted_tokens} {text.spoken} "
    if len(judged) + len(counted) <= PIECE_CHARACTERS:
        whole = (head + judged + counted).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(whole, digest_size=DIGEST_BYTES).digest()
    digest = hashlib.blake2b(head.encode(), digest_size=DIGEST_BYTES)
    for part in (judged, counted):
        for start in range(0, len(part), PIECE_CHARACTERS):
            digest.update(part[start : start + PIECE_CHARACTERS].encode("utf-8", "surrogatepass"))
    return digest.digest()


class AnswerCache:
    """The answers asked for last, at most `entries` of one model; 0 remembers nothing. For one thread."""

    def __init__(self, entries: int, counters: ClassifierCounters) -> None:
        self._entries = entries
        self._counters = counters
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def enabled(self) -> bool:
        """Whether it may hold anything."""
        return self._entries > 0

    def get(self, key: bytes) -> Answer | None:
        """Return what was remembered, marked as such; counts a hit or a miss."""
        answer = self._answers.get(key)
        if answer is None:
            self._counters.cache_misses += 1
            return None
        self._answers.move_to_end(key)
        self._counters.cache_hits += 1
        return answer

    def put(self, key: bytes, answer: Answer) -> None:
        """Remember an answer, unless it only stands in for the one that was wished for."""
        if answer.degraded is not None or not self.enabled:
            return
        self._answers[key] = replace(answer, from_cache=True)
        self._answers.move_to_end(key)
        if len(self._answers) > self._entries:
            self._answers.popitem(last=False)
            self._counters.cache_evictions += 1

    def clear(self) -> None:
        """Forget everything: another model answers now."""
        self._answers.clear()
