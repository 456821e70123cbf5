"""All that was learned of the models, with what the routers say of them: what is published, and what is kept. Pure.

record, judgement ──> Knowledge ──> Learned, for routers
                          └──> Row, for the store; join takes rows back after a restart
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pointsman.response import Response, chances_of, response
from services.telemetry.ability import Abilities, Lesson
from services.telemetry.evidence import Evidence
from services.telemetry.lengths import Length, Lengths
from services.telemetry.records import Decided, ModelKey, Outcome, Record

Key = tuple[ModelKey, str]
"""A model, and an intent or "" for all that are not named."""


class Facts(NamedTuple):
    """What a router's snapshot says of a model: the priors by intent, how far they may be off, and its longest answer."""

    priors: Mapping[str, float]
    deviation: float
    max_output_tokens: int


class Learned(NamedTuple):
    """What is known of a key now, as LearnedAbility has it."""

    offset: float
    deviation: float
    weight: float
    output_ratio: float


class Row(NamedTuple):
    """A key as it is kept: the evidence of its ability, and the lengths of its answers. `prior` is None where nobody told it."""

    provider: str
    model: str
    intent: str
    precision: float
    pull: float
    weight: float
    at_s: float
    log_sum: float
    answers: float
    lengths_at_s: float
    prior: float | None
    deviation: float


class Knowledge:
    """`unkept` and `unshown` collect the keys that were touched, until they are kept and shown. Times are wall clock, in seconds."""

    def __init__(self, half_life_s: float) -> None:
        self.abilities = Abilities(half_life_s)
        self._lengths = Lengths(half_life_s)
        self._facts: dict[ModelKey, Facts] = {}
        self.unkept: set[Key] = set()
        self.unshown: set[Key] = set()

    def set_facts(self, model: ModelKey, facts: Facts, now_s: float) -> None:
        """Takes what a router's newest snapshot says of a model."""
        before = self._facts.get(model)
        if before == facts:
            return
        if before is None and len(self._facts) >= 4 * len(self.abilities.models) + 1_024:
            self._facts.clear()
        self._facts[model] = facts
        self.abilities.set_prior(model, facts.priors, facts.deviation, now_s)
        if before is None or before.deviation != facts.deviation:
            self._touch(model, "")

    def judge(self, model: ModelKey, decided: Decided, quality: float, weight: float, now_s: float) -> Lesson:
        """Learns from an answer."""
        lesson = self.abilities.learn(model, decided.intent, _response(decided), quality, weight, now_s)
        self._touch(model, decided.intent)
        return lesson

    def take_back(self, lesson: Lesson, now_s: float) -> None:
        """Unlearns."""
        self.abilities.unlearn(lesson, now_s)
        self._touch(lesson.model, lesson.intent)

    def measure(self, record: Record, now_s: float) -> None:
        """Learns how long answers get: from those that ended by themselves, of shadows too."""
        decided = record.decided
        if decided is None or not decided.expected_tokens:
            return
        for attempt in (*record.attempts, *record.shadows):
            if attempt.outcome is not Outcome.SUCCEEDED or not attempt.output_tokens:
                continue
            facts = self._facts.get(attempt.model)
            longest = (decided.token_limit, facts.max_output_tokens if facts else None)
            if any(limit and attempt.output_tokens >= limit for limit in longest):
                continue
            ratio = attempt.output_tokens / decided.expected_tokens
            self._lengths.add(attempt.model, decided.intent, ratio, now_s)
            self._mark(((attempt.model, decided.intent), (attempt.model, "")))

    def keys(self) -> set[Key]:
        """All that something is known of."""
        taught = {(model, i) for model, known in self.abilities.models.items() for i in ("", *known.evidence)}
        return taught | self._lengths.known.keys()

    def learned(self, key: Key, now_s: float) -> Learned:
        """What is known of a key now."""
        offset = self.abilities.offset(*key, now_s)
        return Learned(*offset, self._lengths.ratio(*key, now_s))

    def row(self, key: Key) -> Row:
        """A key as it is kept."""
        (provider, name), intent = key
        taught = self.abilities.models.get(key[0])
        evidence, prior, deviation = Evidence(0.0), None, 0.0
        if taught is not None:
            evidence = taught.evidence.get(intent, evidence)
            prior, deviation = taught.priors.get(intent), taught.deviation
        length = self._lengths.known.get(key) or Length(0.0)
        return Row(
            provider, name, intent, evidence.precision, evidence.pull, evidence.weight, evidence.at_s,
            length.log_sum, length.count, length.at_s, prior, deviation,
        )  # fmt: skip

    def join(self, rows: Iterable[Row], now_s: float) -> None:
        """Takes in what was kept, beside all that was learned since; priors only where no router has told any yet."""
        priors: dict[ModelKey, tuple[dict[str, float], float]] = {}
        for row in rows:
            model = (row.provider, row.model)
            if row.weight:
                told = Evidence(row.at_s, row.precision, row.pull, row.weight)
                self.abilities.join(model, row.intent, told, now_s)
            if row.answers:
                self._lengths.join(model, row.intent, Length(row.lengths_at_s, row.log_sum, row.answers), now_s)
            if row.deviation:
                known, _ = priors.setdefault(model, ({}, row.deviation))
                if row.prior is not None:
                    known[row.intent] = row.prior
        for model, (known, deviation) in priors.items():
            if model not in self._facts:
                self.abilities.set_prior(model, known, deviation, now_s)
        self._mark(self.keys())

    def _touch(self, model: ModelKey, intent: str) -> None:
        """A lesson for one intent moves the shared offset, and with it what is known of all the model's intents."""
        self._mark({(model, known) for known in ("", intent, *self.abilities.models[model].evidence)})

    def _mark(self, keys: Collection[Key]) -> None:
        self.unkept.update(keys)
        self.unshown.update(keys)


def _response(decided: Decided) -> Response:
    return response(chances_of(decided.complexity) if decided.chances is None else decided.chances)
