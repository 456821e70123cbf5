"""The figures of one model over some time; two of them add up to the figures of both times."""

from dataclasses import dataclass, field

from services.telemetry.records import Attempt, Outcome
from services.telemetry.sketch import Sketch


@dataclass(slots=True)
class Tally:
    """Counts and distributions of attempts, cancelled and failed ones included. Seconds, tokens per second, micros of a US dollar."""

    attempts: int = 0
    failures: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    failures_by_reason: dict[str, int] = field(default_factory=dict)
    first_token_s: Sketch = field(default_factory=Sketch)
    tokens_per_second: Sketch = field(default_factory=Sketch)
    total_s: Sketch = field(default_factory=Sketch)

    def add(self, attempt: Attempt) -> None:
        """Counts one attempt."""
        self.attempts += 1
        self.input_tokens += attempt.input_tokens
        self.output_tokens += attempt.output_tokens
        self.cost_micros += attempt.cost_micros
        if attempt.outcome is Outcome.FAILED:
            self.failures += 1
            self.failures_by_reason[attempt.failure] = self.failures_by_reason.get(attempt.failure, 0) + 1
        elif attempt.outcome is Outcome.CANCELLED:
            self.cancelled += 1
        if attempt.first_token_s is not None:
            self.first_token_s.add(attempt.first_token_s)
        if attempt.tokens_per_second is not None:
            self.tokens_per_second.add(attempt.tokens_per_second)
        if attempt.total_s is not None:
            self.total_s.add(attempt.total_s)

    def merge(self, other: "Tally") -> None:
        """Takes in all that `other` has counted."""
        self.attempts += other.attempts
        self.failures += other.failures
        self.cancelled += other.cancelled
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cost_micros += other.cost_micros
        for reason, count in other.failures_by_reason.items():
            self.failures_by_reason[reason] = self.failures_by_reason.get(reason, 0) + count
        self.first_token_s.merge(other.first_token_s)
        self.tokens_per_second.merge(other.tokens_per_second)
        self.total_s.merge(other.total_s)
