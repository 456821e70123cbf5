"""Decides which prompts the encoder judges together and which no longer wait: a pure state machine over handed-in times.

An encoder's time grows with the tokens it is given, padding among them, plus a small price for each run. So prompts are joined
only where the padding costs less than a run of its own would, and no batch grows beyond what one long prompt takes.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.classifier.counters import Degradation
from services.classifier.judgement import Judgement
from services.classifier.model import ClassifierModel, PreparedPrompt
from services.classifier.window_tokens import WINDOW_TOKENS

# What a run costs beside its tokens, in tokens: 0.65 ms where a token takes 0.06 ms.
RUN_TOKENS = 10
# Beyond a full window a batch saves nothing more for each prompt, but everybody waits for its end.
BATCH_TOKENS = WINDOW_TOKENS
# Weight of the newest measurement, of the encoder's own work and of what it waits for a core.
NEWS, STALL_NEWS = 0.2, 0.5
# After so long without a run half of what was learned about waiting for a core is forgotten, so that it is tried again.
STALL_HALF_LIFE_S = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A prompt with the model that it was prepared by, and since when it waits."""

    model: ClassifierModel
    prompt: PreparedPrompt
    since_s: float
    answer: asyncio.Future[Judgement | Degradation]
    """The encoder's judgement, or why the fast tier's has to do."""

    @property
    def tokens(self) -> int:
        """Length of the prompt."""
        return len(self.prompt.token_ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """`together` go to the encoder now, all of one model; `late` waited longer than anybody may, and leave without it."""

    together: list[Waiting]
    late: list[Waiting]


@dataclass(slots=True)
class EncoderQueue:
    """At most `size` prompts that wait for the encoder, none longer than `wait_limit_s`, first come first served."""

    size: int
    max_batch: int
    wait_limit_s: float
    token_s: float
    """Measured work for a token."""
    _stall_s: float = 0.0
    _stalled_at_s: float = 0.0
    _waiting: deque[Waiting] = field(default_factory=deque)
    _waiting_tokens: int = 0
    _busy_until_s: float = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self._waiting) >= self.size

    @property
    def patience_s(self) -> float:
        """How long anybody stays at most, a turn with the encoder included."""
        return self.wait_limit_s + self.run_s(BATCH_TOKENS)

    def wait_s(self, now_s: float, tokens: int) -> float:
        """How long a prompt that comes now is expected to wait: for its turn, and in its turn for a core."""
        stall_s = self._stall_s * math.exp2((self._stalled_at_s - now_s) / STALL_HALF_LIFE_S)
        ahead_s = max(0.0, self._busy_until_s - now_s) + self._waiting_tokens * (self.token_s + stall_s)
        return ahead_s + (tokens + RUN_TOKENS) * stall_s

    def run_s(self, tokens: int) -> float:
        """How long the encoder works on so many tokens at once, when it has a core."""
        return (tokens + RUN_TOKENS) * self.token_s

    def add(self, waiting: Waiting) -> None:
        """Put a prompt at the end; ask `full` before."""
        assert not self.full
        self._waiting.append(waiting)
        self._waiting_tokens += waiting.tokens + RUN_TOKENS

    def leave(self, waiting: Waiting) -> None:
        """Take out a prompt that nobody waits for any more; nothing happens where its turn has come already."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._waiting_tokens -= waiting.tokens + RUN_TOKENS

    def clear(self) -> list[Waiting]:
        """Take out all."""
        left = [*self._waiting]
        self._waiting.clear()
        self._waiting_tokens = 0
        return left

    def take(self, now_s: float) -> Batch:
        """Take out the next batch, the longest waiting prompt in it, and expect the encoder to run it from now on."""
        late = [w for w in self._waiting if now_s - w.since_s > self.wait_limit_s]
        for waiting in late:
            self.leave(waiting)
        together = self._together(now_s)
        for waiting in together:
            self.leave(waiting)
        self._busy_until_s = now_s + (self.run_s(padded(together)) if together else 0.0)
        return Batch(together, late)

    def _together(self, now_s: float) -> list[Waiting]:
        together: list[Waiting] = []
        passed_over: Waiting | None = None
        shortest = longest = 0
        for waiting in self._waiting:
            if not together:
                together, shortest, longest = [waiting], waiting.tokens, waiting.tokens
                continue
            low, high = min(shortest, waiting.tokens), max(longest, waiting.tokens)
            tokens = high * (len(together) + 1)
            joins = waiting.model is together[0].model and high - low <= RUN_TOKENS and tokens <= BATCH_TOKENS
            if joins and passed_over is not None:
                # Whoever is passed over must not come late for it.
                joins = now_s - passed_over.since_s + self.run_s(tokens) <= self.wait_limit_s
            if joins:
                together.append(waiting)
                shortest, longest = low, high
            elif passed_over is None:
                passed_over = waiting
            if len(together) >= self.max_batch:
                break
        return together

    def ran(self, together: Iterable[Waiting], now_s: float, took_s: float, worked_s: float) -> None:
        """Learn from a batch that has been run: it took so long, of which it worked so long on a core."""
        tokens = padded(together) + RUN_TOKENS
        self.token_s += NEWS * (worked_s / tokens - self.token_s)
        self._stall_s += STALL_NEWS * (max(0.0, took_s - worked_s) / tokens - self._stall_s)
        self._stalled_at_s = now_s
        self._busy_until_s = 0.0


def padded(together: Iterable[Waiting]) -> int:
    """Tokens of a batch once all its prompts are as long as the longest."""
    lengths = [waiting.tokens for waiting in together]
    return max(lengths) * len(lengths)
