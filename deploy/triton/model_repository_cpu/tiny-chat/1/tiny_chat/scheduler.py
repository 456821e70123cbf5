"""Runs many requests on one network, token by token, in one thread.

    waiting ──prefill, a chunk at a time──> running ──one token each per step──> finished
       └──────────── cancelled, closed: aborted ────────────┘

A new request joins the running ones as soon as it is read; none waits for another to finish.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np

from tiny_chat.network import KvCache, Network
from tiny_chat.parameters import SamplingParameters
from tiny_chat.sampler import Sampler
from tiny_chat.text_stream import Detokenizer, StopMatcher

# Tokens of a prompt read between two steps of the running requests: what a long prompt may delay them by.
PREFILL_CHUNK = 128

T = TypeVar("T")


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"


class Receiver(Protocol):
    """Where one request's answer goes. Called from the scheduler's thread alone."""

    def is_cancelled(self) -> bool: ...

    def deliver(self, text: str, tokens: int, finish: FinishReason | None) -> None:
        """`tokens` counts those since the last call; with `finish` it is the last call."""

    def abort(self, reason: str, cancelled: bool) -> None:
        """The last call for a request that does not finish."""


class Outcome(StrEnum):
    """How a request's time with us ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    REFUSED = "refused"  # before it waited: its fields are wrong


class Meter(Protocol):
    """Is told what an operator wants to count; called a few times a request, never for a token."""

    def ended(self, outcome: Outcome, output_tokens: int) -> None: ...

    def depth(self, running: int, waiting: int) -> None: ...


class ClosedError(RuntimeError):
    """The scheduler has ended and answers nobody."""


class _Generation:
    """What one request has read and said so far."""

    def __init__(self, network: Network, prompt: list[int], parameters: SamplingParameters, receiver: Receiver) -> None:
        self.prompt = prompt
        self.receiver = receiver
        self.read = 0
        self.cache: KvCache = network.new_cache().add_empty()
        self.next_token = -1
        self.output_tokens = 0
        self._end_token = -1 if parameters.ignore_eos else network.end_token
        self._limit = min(parameters.max_tokens, network.context_tokens - len(prompt))
        self._sampler = Sampler(parameters)
        self._detokenizer = Detokenizer(network.token_bytes)
        self._stops = StopMatcher(parameters.stop)
        self._unreported = 0

    def accept(self, logits: np.ndarray) -> bool:
        """Chooses a token from logits [V] and delivers what it completes; True when it was the last."""
        token = self._sampler.pick(logits)
        self.next_token = token
        self.output_tokens += 1
        self._unreported += 1
        text = "" if token == self._end_token else self._stops.push(self._detokenizer.push(token))
        finish = None
        if token == self._end_token or self._stops.stopped:
            finish = FinishReason.STOP
        elif self.output_tokens == self._limit:
            finish = FinishReason.LENGTH
        if finish is not None:
            text += self._stops.push(self._detokenizer.flush()) + self._stops.flush()
        if text or finish is not None:
            self.receiver.deliver(text, self._unreported, finish)
            self._unreported = 0
        return finish is not None


class Scheduler:
    """Owns the thread and the queue. `submit` may be called from any thread."""

    def __init__(self, network: Network, meter: Meter, max_running: int, max_waiting: int) -> None:
        self._network = network
        self._meter = meter
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[_Generation] = deque()
        self._refusals: deque[Callable[[], None]] = deque()
        self._running: list[_Generation] = []
        self._cache = network.new_cache()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Aborts whatever is unfinished and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, prompt: list[int], parameters: SamplingParameters, receiver: Receiver) -> None:
        """Queues a prompt of at least one token that leaves room in the context.

        Blocks while as many wait as may wait, so that the rest stays in the caller's own queue; raises ClosedError.
        """
        with self._place(self._waiting) as waiting:
            waiting.append(_Generation(self._network, prompt, parameters, receiver))
            self._meter.depth(len(self._running), len(waiting))

    def refuse(self, answer: Callable[[], None]) -> None:
        """Has a refusal sent by the scheduler's thread, before the next token; blocks and raises as `submit` does."""
        with self._place(self._refusals) as refusals:
            refusals.append(answer)

    @contextmanager
    def _place(self, queue: deque[T]) -> Iterator[deque[T]]:
        """The queue, once it has a free place, to put something in."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(queue) < self._max_waiting)
            if self._closed:
                raise ClosedError("the model is being unloaded")
            yield queue
            self._changed.notify_all()

    def _loop(self) -> None:
        try:
            while self._advance():
                pass
        finally:
            # Also after a defect, whose traceback the thread prints: nobody may wait for an answer that cannot come.
            with self._changed:
                self._closed = True
                unfinished = [*self._running, *self._waiting]
                self._running = []
                self._waiting.clear()
                refusals = list(self._refusals)
                self._changed.notify_all()
            for answer in refusals:
                answer()
            for generation in unfinished:
                self._end(generation, Outcome.ABORTED)

    def _advance(self) -> bool:
        """Reads a chunk of one waiting prompt, then one token for all that run; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._refusals or self._waiting or self._running)
            if self._closed:
                return False
            refusals, has_place = list(self._refusals), len(self._running) < self._max_running
            self._refusals.clear()
            reading = self._waiting[0] if self._waiting and has_place else None
            self._changed.notify_all()
        for answer in refusals:
            answer()
            self._meter.ended(Outcome.REFUSED, 0)
        if reading is not None:
            self._prefill(reading)
        if self._running:
            self._step()
        return True

    def _prefill(self, generation: _Generation) -> None:
        """Reads one chunk of the first waiting prompt; after its last chunk the first token is chosen."""
        if generation.receiver.is_cancelled():
            self._leave_queue()
            self._end(generation, Outcome.CANCELLED)
            return
        chunk = generation.prompt[generation.read : generation.read + PREFILL_CHUNK]
        logits = self._network.run(np.array([chunk], dtype=np.int64), generation.cache)
        generation.read += len(chunk)
        if generation.read < len(generation.prompt):
            return
        self._leave_queue()
        if generation.accept(logits[0]):
            self._end(generation, Outcome.FINISHED)
            return
        self._cache.join(generation.cache)
        self._running.append(generation)
        self._meter.depth(len(self._running), len(self._waiting))

    def _leave_queue(self) -> None:
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()

    def _step(self) -> None:
        """One token for every running request; those that were cancelled leave before it, the finished after it."""
        cancelled = [i for i, generation in enumerate(self._running) if generation.receiver.is_cancelled()]
        self._leave(cancelled, Outcome.CANCELLED)
        if not self._running:
            return
        ids = np.array([[generation.next_token] for generation in self._running], dtype=np.int64)
        logits = self._network.run(ids, self._cache)
        finished = [i for i, generation in enumerate(self._running) if generation.accept(logits[i])]
        self._leave(finished, Outcome.FINISHED)

    def _leave(self, leaving: list[int], outcome: Outcome) -> None:
        """Takes these out of the running ones, and their rows out of the cache."""
        if not leaving:
            return
        left = [self._running[i] for i in leaving]
        staying = [i for i in range(len(self._running)) if i not in leaving]
        self._cache.keep(staying)
        self._running = [self._running[i] for i in staying]
        for generation in left:
            self._end(generation, outcome)

    def _end(self, generation: _Generation, outcome: Outcome) -> None:
        """Tells the caller, unless it has its last piece already, and the meter."""
        if outcome is Outcome.CANCELLED:
            generation.receiver.abort("the request was cancelled", cancelled=True)
        elif outcome is Outcome.ABORTED:
            generation.receiver.abort("the model is being unloaded", cancelled=False)
        self._meter.ended(outcome, generation.output_tokens)
        self._meter.depth(len(self._running), len(self._waiting))
