"""The last while of every model, as a ring of slots: new records go into the newest, the oldest falls out whole.

         window_s
├──┬──┬──┬─ ... ─┬──┬──┤          a slot is window_s / SLOTS long; the newest is still filling,
oldest               newest       so a picture covers between 11 and 12 twelfths of window_s

Time is the monotonic clock of this process, handed in, so a wall clock that jumps moves nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.telemetry.recent_set import RecentSet
from services.telemetry.records import ModelKey, Record
from services.telemetry.tally import Tally

SLOTS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """Every model that had an attempt in the last `covered_s` seconds; its tally does not change any more."""

    covered_s: float
    models: Mapping[ModelKey, Tally]


class _Model:
    __slots__ = ("merged", "slots")

    def __init__(self) -> None:
        self.slots: dict[int, Tally] = {}
        self.merged: Tally | None = None

    def tally(self) -> Tally:
        """The sum of the slots, remembered until one of them changes."""
        if self.merged is None:
            self.merged = Tally()
            for tally in self.slots.values():
                self.merged.merge(tally)
        return self.merged


class Window:
    """Counts each record once, into the slot of the time at which it ended.

    `duplicates` were reported before, `late` ended before the window; neither counts. At most `max_models` models are kept, a
    silent one makes room after window_s. The newest `max_requests` requests are remembered to tell duplicates.
    """

    def __init__(self, window_s: float, now_s: float, *, max_models: int, max_requests: int) -> None:
        self._slot_s = window_s / SLOTS
        self._max_models = max_models
        self._began_s = now_s
        self._now_s = now_s
        self._newest = math.floor(now_s / self._slot_s)
        self._models: dict[ModelKey, _Model] = {}
        self._unplaced: dict[int, int] = {}
        self._seen = RecentSet(max_requests)
        self.duplicates = 0
        self.late = 0

    def add(self, record: Record, now_s: float) -> bool:
        """Counts a record's attempts; returns False where it was reported before."""
        self._advance(now_s)
        ended_s = self._now_s - max(0.0, record.age_s)
        slot = math.floor(ended_s / self._slot_s)
        if not self._seen.add(record.identity):
            self.duplicates += 1
            return False
        if slot <= self._newest - SLOTS:
            self.late += 1
            return True
        self._began_s = min(self._began_s, ended_s)
        for attempt in record.attempts:
            model = self._models.get(attempt.model)
            if model is None:
                if len(self._models) >= self._max_models:
                    self._unplaced[slot] = self._unplaced.get(slot, 0) + 1
                    continue
                model = self._models[attempt.model] = _Model()
            tally = model.slots.get(slot)
            if tally is None:
                tally = model.slots[slot] = Tally()
            tally.add(attempt)
            model.merged = None
        return True

    def picture(self, now_s: float) -> Picture:
        """What the window holds at `now_s`."""
        self._advance(now_s)
        oldest_s = (self._newest - SLOTS + 1) * self._slot_s
        return Picture(
            covered_s=self._now_s - max(self._began_s, oldest_s),
            models={key: model.tally() for key, model in self._models.items()},
        )

    def unplaced(self, now_s: float) -> int:
        """How many attempts of the window at `now_s` are left out, since there was no room for their models."""
        self._advance(now_s)
        return sum(self._unplaced.values())

    def _advance(self, now_s: float) -> None:
        """Moves to `now_s`, never back, and lets go of what the window has left behind."""
        self._now_s = max(self._now_s, now_s)
        newest = math.floor(self._now_s / self._slot_s)
        if newest == self._newest:
            return
        self._newest = newest
        oldest = newest - SLOTS + 1
        for slot in [slot for slot in self._unplaced if slot < oldest]:
            del self._unplaced[slot]
        for key, model in list(self._models.items()):
            for slot in [slot for slot in model.slots if slot < oldest]:
                del model.slots[slot]
                model.merged = None
            if not model.slots:
                del self._models[key]
