"""What an operator needs to know of a classifier's work, counted."""

from dataclasses import dataclass, field
from enum import StrEnum


class Degradation(StrEnum):
    """Why the fast tier's answer stands in for the encoder's."""

    LOAD = "load"
    """The wait for the encoder was or became longer than it may be."""
    QUEUE_FULL = "queue_full"
    DEADLINE = "deadline"
    """The caller's time would have run out, or did."""
    FAILURE = "failure"
    """The encoder raised an error."""


@dataclass(slots=True)
class LaneCounters:
    """Runs of one tier: each judged a batch of one prompt or more."""

    batches: int = 0
    prompts: int = 0

    @property
    def mean_batch(self) -> float:
        """Prompts in a batch, on average; 0 before the first."""
        return self.prompts / self.batches if self.batches else 0.0

    def ran(self, prompts: int) -> None:
        """Count one batch."""
        self.batches += 1
        self.prompts += prompts


@dataclass(slots=True)
class ClassifierCounters:
    """One process' counts since its start. `refused`: prompts without any answer, for want of room."""

    fast: LaneCounters = field(default_factory=LaneCounters)
    encoder: LaneCounters = field(default_factory=LaneCounters)
    degraded: dict[Degradation, int] = field(default_factory=lambda: dict.fromkeys(Degradation, 0))
    refused: int = 0
    cancelled: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_evictions: int = 0
    reloads: int = 0
    reload_failures: int = 0

    def summary(self) -> str:
        """One line for the log."""
        degraded = ", ".join(f"{reason} {count}" for reason, count in self.degraded.items())
        return (
            f"fast tier {self.fast.prompts} prompts in batches of {self.fast.mean_batch:.1f}; "
            f"encoder {self.encoder.prompts} in batches of {self.encoder.mean_batch:.1f}; degraded by {degraded}; "
            f"refused {self.refused}; cancelled {self.cancelled}; "
            f"cache {self.cache_hits} hits, {self.cache_misses} misses, {self.cache_evictions} evictions; "
            f"models loaded {self.reloads}, refused {self.reload_failures}"
        )
