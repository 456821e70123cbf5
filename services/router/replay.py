"""Takes recorded decisions again, by another routing or on other models, and tells what would be different. Pure.

records, with the fleet of each ──choose──> decisions ──beside what was chosen then──> shares, worth, moves, off-policy estimate

Worth is direct: what a model was expected to do and to cost on the fleet of that moment, for what was chosen then and what is chosen
now by one yardstick, the complexity that was recorded. Where chance had a word, what came of it tells besides; see `off_policy`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.candidates import Candidate, Needs, Snapshot
from services.router.choice import Asked, Choice, Routing, choose
from services.router.decision import decide
from services.router.off_policy import Estimate, Tried, estimate
from services.router.policy import Policy
from services.router.recording import from_record, from_snapshot

NO_DECISION = "no decision was recorded"
NO_SNAPSHOT = "the fleet that it was decided on is not kept"
NOT_IN_SNAPSHOT = "the model that was chosen is not in its fleet"
# What stands for a model where none could answer.
NONE = ""
# So many of the largest moves are told.
MOVES_TOLD = 10

Outcome = Callable[[pb.RequestRecord], float | None]
Adjust = Callable[[pb.FleetSnapshot], Snapshot]


@dataclass(frozen=True, slots=True)
class Worth:
    """Means over the requests that a model could answer: P(right), micros of a US dollar, seconds to the last token."""

    quality: float
    cost_micros: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Move:
    """Decisions that change from one model to another, and why one of them does; a model is NONE where none could answer."""

    before: str
    after: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What would be different. `before` and `after` count decisions by model, most first; worth is of requests answered in both.

    `moves` are the largest, `left_out` counts what could not be taken again by its reason.
    """

    replayed: int
    changed: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    worth_before: Worth
    worth_after: Worth
    moves: tuple[Move, ...]
    left_out: Mapping[str, int]
    off_policy: Estimate | None

    def summary(self) -> list[str]:
        """A few lines for a log."""
        lines = [f"{self.changed} of {self.replayed} decisions would change"]
        if self.replayed:
            old, new = self.worth_before, self.worth_after
            lines[0] += (
                f"; cost of 1,000 requests ${old.cost_micros / 1e3:.4f} -> ${new.cost_micros / 1e3:.4f}"
                f", expected right {old.quality:.1%} -> {new.quality:.1%}, expected time {old.seconds:.2f} s -> {new.seconds:.2f} s"
            )
        lines += [
            f"{move.count} from {move.before or 'none'} to {move.after or 'none'}, such as: {move.why}"
            for move in self.moves
        ]
        lines += [f"{count} left out: {reason}" for reason, count in self.left_out.items()]
        return lines


def answered(record: pb.RequestRecord) -> float | None:
    """Whether the request was answered: 1 or 0; None where its caller ended it, which says nothing of the model."""
    if any(a.outcome == pb.Attempt.OUTCOME_CANCELLED and not a.hedge for a in record.attempts):
        return None
    return 0.0 if record.error_reason else 1.0


def replay(
    records: Iterable[tuple[pb.RequestRecord, pb.FleetSnapshot | None]],
    routing: Routing,
    adjust: Adjust | None = None,
    *,
    policy: str = "",
    outcome: Outcome = answered,
) -> Replay:
    """Takes each record's decision again.

    `adjust` reads a recorded fleet as it would have been now, with other models, prices or abilities; as it was where None. `policy`
    is taken to be what every request asked for. `outcome`, from 0 to 1 or None for unknown, is what the off-policy estimate is about.
    """
    then, now = _Fleets(from_snapshot), _Fleets(adjust or from_snapshot)
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    moves: Counter[tuple[str, str]] = Counter()
    whys: dict[tuple[str, str], str] = {}
    tried: list[Tried] = []
    old_worth, new_worth = _Sum(), _Sum()
    for record, snapshot in records:
        if not record.HasField("decision"):
            left_out[NO_DECISION] += 1
            continue
        if snapshot is None:
            left_out[NO_SNAPSHOT] += 1
            continue
        asked, old = from_record(record), chosen_then(record)
        old_direct = then.direct(snapshot, asked, old) if old else None
        if old and old_direct is None:
            left_out[NOT_IN_SNAPSHOT] += 1
            continue
        choice = choose(routing, now.whole(snapshot), replace(asked, policy=policy) if policy else asked)
        new = chosen_now(choice)
        before[old] += 1
        after[new] += 1
        if old != new:
            moves[old, new] += 1
            whys.setdefault((old, new), choice.decision.reason)
        new_direct = now.direct(snapshot, asked, new) if new else None
        if old_direct is not None and new_direct is not None:
            old_worth.add(old_direct)
            new_worth.add(new_direct)
        if old and (came := outcome(record)) is not None:
            tried.append(Tried(record.decision.propensity, came, _propensity(choice, old)))
    return Replay(
        replayed=before.total(),
        changed=moves.total(),
        before=dict(before.most_common()),
        after=dict(after.most_common()),
        worth_before=old_worth.mean(),
        worth_after=new_worth.mean(),
        moves=tuple(Move(*move, count, whys[move]) for move, count in moves.most_common(MOVES_TOLD)),
        left_out=dict(left_out.most_common()),
        off_policy=estimate(tried),
    )


def chosen_then(record: pb.RequestRecord) -> str:
    """`provider/model` of the model that was chosen; NONE where none was."""
    decision = record.decision
    return f"{decision.chosen.provider}/{decision.chosen.model}" if decision.HasField("chosen") else NONE


def chosen_now(choice: Choice) -> str:
    """`provider/model` of the model that is chosen; NONE where none is eligible."""
    return choice.decision.ranked[0].model.reference if choice.decision.ranked else NONE


def _propensity(choice: Choice, reference: str) -> float:
    return next((c.propensity for c in choice.decision.ranked if c.model.reference == reference), 0.0)


# Values nothing and forbids nothing: a candidate's expectations alone are asked for.
_YARDSTICK = Policy("yardstick")


class _Fleets:
    """Recorded fleets, each read once; and each of their models alone, to judge it by itself."""

    def __init__(self, read: Adjust) -> None:
        self._read = read
        self._whole: dict[str, Snapshot] = {}
        self._alone: dict[tuple[str, str], Snapshot] = {}

    def whole(self, recorded: pb.FleetSnapshot) -> Snapshot:
        """The fleet."""
        if (known := self._whole.get(recorded.id)) is None:
            known = self._whole[recorded.id] = self._read(recorded)
            for live in known.models:
                alone = replace(live, unavailable="")
                self._alone[recorded.id, live.model.reference] = Snapshot((alone,), known.config_revision)
        return known

    def direct(self, recorded: pb.FleetSnapshot, asked: Asked, reference: str) -> Candidate | None:
        """What a model is expected to do with a request; None where the fleet does not have it or the request does not fit."""
        self.whole(recorded)
        if (alone := self._alone.get((recorded.id, reference))) is None:
            return None
        judgement = asked.judgement
        if judgement.fallback:
            judgement = replace(judgement, fallback="", chances=None)
        needs = Needs(wanted_output_tokens=asked.needs.wanted_output_tokens)
        ranked = decide(alone, _YARDSTICK, judgement, needs, last=asked.last).ranked
        return ranked[0] if ranked else None


class _Sum:
    """Adds up what is expected of the models."""

    def __init__(self) -> None:
        self._number, self._quality, self._cost, self._seconds = 0, 0.0, 0.0, 0.0

    def add(self, candidate: Candidate) -> None:
        """One more request."""
        self._number += 1
        self._quality += candidate.expected_quality
        self._cost += candidate.cost
        self._seconds += (
            candidate.expected_first_token_s + candidate.output_tokens / candidate.expected_tokens_per_second
        )

    def mean(self) -> Worth:
        """0 of all where nothing was added."""
        number = max(1, self._number)
        return Worth(self._quality / number, self._cost / number, self._seconds / number)
