"""What a request tells of its answer without anybody judging it. Pure.

| signal | quality | weight | why so little |
|---|---|---|---|
| BROKEN: PROVIDER_PROTOCOL after the first token | 0 | 0.25 | mostly a tool call that is no JSON, which the model wrote |
| REFUSED: CONTENT_REFUSED | 0 | 0.1 | the model would not do the work, but the prompt may be to blame |
| LEFT_EARLY: cancelled soon after the first token | 0 | 0.1 | the reader saw enough, for whatever reason |
| ASKED_AGAIN: the same prompt came again in the session | 0 | 0.25 | the answer was not good enough, or another was wanted |

All other failures tell of the provider and the way to it, not of what the model can do: rate limits, outages, silence, cut and stalled
streams. The router counts them as reliability, a factor of its own; lowering the ability as well would count them twice. A context
that was too long and credentials that are wrong are facts of the configuration.

People leave early and ask again whatever answers them, and nobody reports an answer that was fine. Counted as they come, these two
would lower every model that is used. So only what goes beyond the usual counts, see `Complaints`.
"""

from enum import Enum
from typing import NamedTuple

from services.telemetry.records import Attempt, ModelKey, Outcome, Record

PROTOCOL, REFUSED, DEADLINE = (
    f"ERROR_REASON_{name}" for name in ("PROVIDER_PROTOCOL", "CONTENT_REFUSED", "DEADLINE_EXCEEDED")
)
# Cancelled before this share of the expected tokens came.
EARLY_SHARE = 0.25
# Of a shorter answer nobody can tell early from late.
SHORTEST_TOKENS = 40


class Kind(Enum):
    """Its weight beside a judgement that somebody gave."""

    BROKEN = "broken"
    REFUSED = "refused"
    LEFT_EARLY = "left_early"
    ASKED_AGAIN = "asked_again"

    @property
    def weight(self) -> float:
        """See the table above."""
        return _WEIGHTS[self]


_WEIGHTS = {Kind.BROKEN: 0.25, Kind.REFUSED: 0.1, Kind.LEFT_EARLY: 0.1, Kind.ASKED_AGAIN: 0.25}


class Signal(NamedTuple):
    """An answer of quality 0; LEFT_EARLY is of the answer that the client received, the others of an attempt before it."""

    model: ModelKey
    kind: Kind


def answering(record: Record) -> Attempt | None:
    """The attempt whose text the client holds: the one that ended whole, else the one that the client itself ended in mid-answer."""
    for attempt in reversed(record.attempts):
        if attempt.hedge:
            continue
        if attempt.outcome is Outcome.SUCCEEDED:
            return attempt
        if attempt.outcome is Outcome.CANCELLED and attempt.first_token_s is not None:
            return attempt
    return None


def failures(record: Record) -> list[Signal]:
    """What attempts that failed tell of their models' abilities."""
    found = []
    for attempt in record.attempts:
        if attempt.failure == PROTOCOL and attempt.first_token_s is not None:
            found.append(Signal(attempt.model, Kind.BROKEN))
        elif attempt.failure == REFUSED:
            found.append(Signal(attempt.model, Kind.REFUSED))
    return found


def left_early(record: Record, answer: Attempt) -> bool:
    """Whether the client turned away from the answer; a client whose time ran out did not."""
    expected = record.decided.expected_tokens if record.decided else None
    return (
        answer.outcome is Outcome.CANCELLED
        and record.failure != DEADLINE
        and expected is not None
        and expected >= SHORTEST_TOKENS
        and answer.output_tokens < EARLY_SHARE * expected
    )


class Complaints:
    """Tells how much of a complaint about a model goes beyond the usual of its intent.

    Every answer earns its model credit: the share of all answers of that intent that are complained about. A complaint is first paid
    from the credit, and only the rest of it counts. So a model that draws as many complaints as all others learns nothing from them.
    """

    # Before anything was seen, one answer in twenty is complained about.
    ASSUMED_COMPLAINTS, ASSUMED_ANSWERS = 1.0, 20.0
    MOST_CREDIT = 2.0
    # Half of the past is forgotten after so many answers of an intent.
    MEMORY = 10_000.0
    MOST_KEYS = 20_000

    def __init__(self) -> None:
        self._seen: dict[str, list[float]] = {}
        self._credit: dict[tuple[ModelKey, str], float] = {}

    def answered(self, model: ModelKey, intent: str) -> None:
        """Counts an answer."""
        if len(self._credit) >= self.MOST_KEYS:
            self._credit.clear()
            self._seen.clear()
        seen = self._seen.setdefault(intent, [self.ASSUMED_COMPLAINTS, self.ASSUMED_ANSWERS])
        seen[1] += 1.0
        if seen[1] > self.MEMORY:
            seen[0], seen[1] = seen[0] / 2, seen[1] / 2
        credit = self._credit.get((model, intent), 0.0) + seen[0] / seen[1]
        self._credit[model, intent] = min(self.MOST_CREDIT, credit)

    def complained(self, model: ModelKey, intent: str) -> float:
        """Counts a complaint; returns the share of it, 0 to 1, that goes beyond the usual."""
        self._seen.setdefault(intent, [self.ASSUMED_COMPLAINTS, self.ASSUMED_ANSWERS])[0] += 1.0
        credit = self._credit.get((model, intent), 0.0)
        paid = min(1.0, credit)
        if credit:
            self._credit[model, intent] = credit - paid
        return 1.0 - paid
