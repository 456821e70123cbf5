"""The fast tier on a thread of its own: whatever waits is prepared and judged in one go, with one hop to it and one back.

A plain queue and one `call_soon_threadsafe` a batch: an executor's work items and their futures would cost a lone prompt as
much time as its judgement.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from services.classifier.counters import LaneCounters
from services.classifier.judgement import Judgement
from services.classifier.model import ClassifierModel, PreparedPrompt
from services.classifier.prompt_text import PromptText


@dataclass(frozen=True, slots=True)
class Judged:
    """The fast tier's judgement, and the prompt as `model` prepared it."""

    model: ClassifierModel
    prompt: PreparedPrompt
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class _Asked:
    text: PromptText
    answer: asyncio.Future[Judged]


class FastLane:
    """Owns the thread. `submit` belongs to the event loop that `start` was called on."""

    def __init__(self, model: ClassifierModel, max_batch: int, counters: LaneCounters) -> None:
        self.model = model
        """Judges every batch that begins from now on."""
        self._max_batch = max_batch
        self._counters = counters
        # Bounded by whoever submits.
        self._inbox: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="fast-tier", daemon=True)
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Begin to answer on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Answer what was submitted, then end the thread."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def submit(self, text: PromptText) -> asyncio.Future[Judged]:
        """Ask for a judgement; a cancelled future's prompt is not read unless its batch has begun.

        The future raises InferenceError.
        """
        answer: asyncio.Future[Judged] = self._loop.create_future()
        self._inbox.put(_Asked(text, answer))
        return answer

    def _work(self) -> None:
        inbox = self._inbox
        open_ = True
        while open_:
            asked = [inbox.get()]
            while len(asked) < self._max_batch and not inbox.empty():
                asked.append(inbox.get())
            open_ = asked[-1] is not None
            batch = [a for a in asked if a is not None and not a.answer.done()]
            if batch:
                answers = self._judge(self.model, batch)
                self._loop.call_soon_threadsafe(self._deliver, batch, answers)

    def _judge(self, model: ClassifierModel, batch: Sequence[_Asked]) -> list[Judged | Exception]:
        try:
            prompts = [
                model.prepare(a.text.judged, a.text.counted, a.text.counted_tokens, a.text.spoken) for a in batch
            ]
            judgements = model.judge_fast_batch(prompts)
        except Exception as error:  # noqa: BLE001
            # Handed on, not swallowed: it is its caller's to see, and neither the thread nor others in the batch may fall with it.
            if len(batch) == 1:
                return [error]
            return [answer for one in batch for answer in self._judge(model, [one])]
        return [Judged(model, p, j) for p, j in zip(prompts, judgements, strict=True)]

    def _deliver(self, batch: Sequence[_Asked], answers: Sequence[Judged | Exception]) -> None:
        self._counters.ran(len(batch))
        for asked, answer in zip(batch, answers, strict=True):
            if asked.answer.done():
                continue
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)
