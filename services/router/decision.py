"""Which models may answer a request, and in which order to try them. Pure: the same inputs give the same decision.

models ──filters──> eligible ──score──> ranked
          └──> ruled out, each with its verdict
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pointsman.config.catalogue import Model
from pointsman.config.schema import CapabilityName
from services.router.policy import Policy, probability_right, reliability, score


class Verdict(Enum):
    """What became of a candidate; the names of pointsman.router.v1.Candidate.Verdict."""

    ELIGIBLE = "ELIGIBLE"
    LACKS_CAPABILITY = "LACKS_CAPABILITY"
    CONTEXT_TOO_SMALL = "CONTEXT_TOO_SMALL"
    OVER_BUDGET = "OVER_BUDGET"
    EXCLUDED_BY_POLICY = "EXCLUDED_BY_POLICY"
    UNAVAILABLE = "UNAVAILABLE"
    NOT_PINNED = "NOT_PINNED"


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model and what is known of it now; `unavailable` says why it cannot serve, empty where it can."""

    model: Model
    unavailable: str
    first_token_s: float
    tokens_per_second: float
    attempts: int
    failures: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All models at one moment; swapped whole, never changed."""

    models: tuple[LiveModel, ...]
    config_revision: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The classifier's view in the decision's terms; `fallback` says why the policy's default complexity stands in for it."""

    intent: str
    complexity: float
    input_tokens: int
    output_tokens: int
    fallback: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What the request demands: `pinned` is `provider/model` or empty, `wanted_output_tokens` None where the caller sets no limit."""

    capabilities: frozenset[CapabilityName]
    pinned: str
    max_cost_micros: int | None
    wanted_output_tokens: int | None


class Candidate(NamedTuple):
    """One model with its verdict and the numbers behind it; times in seconds, `score` in micros.

    A tuple, as every request makes one for each model: a frozen dataclass takes four times as long to make.
    """

    model: Model
    verdict: Verdict
    detail: str
    score: float = 0.0
    expected_quality: float = 0.0
    expected_cost_micros: int = 0
    expected_first_token_s: float = 0.0
    expected_tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """`ranked` in the order to try, `ruled_out` in the order of the configuration, `reason` one line for a person."""

    ranked: tuple[Candidate, ...]
    ruled_out: tuple[Candidate, ...]
    reason: str


def decide(snapshot: Snapshot, policy: Policy, judgement: Judgement, needs: Needs) -> Decision:
    """Filters and ranks every model of the snapshot; of equal scores the cheaper model comes first, then by reference."""
    judged = [_judge(live, policy, judgement, needs) for live in snapshot.models]
    eligible = Verdict.ELIGIBLE
    ranked = [candidate for candidate in judged if candidate.verdict is eligible]
    ruled_out = [candidate for candidate in judged if candidate.verdict is not eligible]
    min_quality = policy.min_quality
    ranked.sort(key=lambda c: (c.expected_quality < min_quality, -c.score, _list_price(c.model), c.model.reference))
    return Decision(tuple(ranked), tuple(ruled_out), _reason(ranked, policy, judgement, needs))


def _list_price(model: Model) -> int:
    """Tells apart models whose expected costs round to the same micros."""
    return model.price.input_micros_per_mtok + model.price.output_micros_per_mtok


def _judge(live: LiveModel, policy: Policy, judgement: Judgement, needs: Needs) -> Candidate:
    model = live.model
    if needs.pinned and model.reference != needs.pinned:
        return Candidate(model, Verdict.NOT_PINNED, f"the request pins {needs.pinned}")
    if model.reference in policy.excluded:
        return Candidate(model, Verdict.EXCLUDED_BY_POLICY, f"policy {policy.name} does not admit it")
    if not needs.capabilities <= model.capabilities:
        missing = needs.capabilities - model.capabilities
        return Candidate(model, Verdict.LACKS_CAPABILITY, f"lacks {', '.join(sorted(missing))}")
    output_tokens = judgement.output_tokens
    if output_tokens > model.max_output_tokens:
        output_tokens = model.max_output_tokens
    if needs.wanted_output_tokens is not None and output_tokens > needs.wanted_output_tokens:
        output_tokens = needs.wanted_output_tokens
    if judgement.input_tokens + output_tokens > model.context_tokens:
        needed = f"about {judgement.input_tokens} + {output_tokens} tokens"
        return Candidate(model, Verdict.CONTEXT_TOO_SMALL, f"{needed} do not fit its window of {model.context_tokens}")
    if live.unavailable:
        return Candidate(model, Verdict.UNAVAILABLE, live.unavailable)
    cost = model.price.cost_micros(judgement.input_tokens, output_tokens)
    over = ""
    if needs.max_cost_micros is not None and cost > needs.max_cost_micros:
        over = f"the request's ${needs.max_cost_micros / 1e6:.6f}"
    elif policy.max_cost_micros is not None and cost > policy.max_cost_micros:
        over = f"the policy's ${policy.max_cost_micros / 1e6:.6f}"
    if over:
        detail = f"about ${cost / 1e6:.6f}, over {over}"
        return Candidate(model, Verdict.OVER_BUDGET, detail, expected_cost_micros=cost)
    quality = model.quality_by_intent.get(judgement.intent, model.quality)
    right = probability_right(quality, judgement.complexity, reliability(live.attempts, live.failures))
    seconds = live.first_token_s + output_tokens / live.tokens_per_second
    worth = score(policy, right, cost, seconds)
    detail = "" if right >= policy.min_quality else f"below the policy's quality bar of {policy.min_quality:.2f}"
    # By position, as names would double the time this takes; the order is the class'.
    return Candidate(model, Verdict.ELIGIBLE, detail, worth, right, cost, live.first_token_s, live.tokens_per_second)


def _reason(ranked: Sequence[Candidate], policy: Policy, judgement: Judgement, needs: Needs) -> str:
    if not ranked:
        return "no model is eligible"
    first = ranked[0]
    if needs.pinned:
        return f"pinned to {needs.pinned}"
    kind = f"{judgement.intent or 'unknown intent'}, complexity {judgement.complexity:.2f}"
    if judgement.fallback:
        kind = f"complexity {judgement.complexity:.2f} by default ({judgement.fallback})"
    expectation = f"expected right {first.expected_quality:.0%} for ${first.expected_cost_micros / 1e6:.6f}"
    if len(ranked) == 1:
        return f"{kind}: the only eligible model; {expectation}"
    if ranked[1].expected_quality < policy.min_quality <= first.expected_quality:
        return f"{kind}: the only one above {policy.name}'s quality bar; {expectation}"
    margin = (first.score - ranked[1].score) / 1e6
    return f"{kind}: {policy.name} prefers it to {ranked[1].model.reference} by ${margin:.6f}; {expectation}"


def unmet(decision: Decision) -> Mapping[str, str]:
    """Why each model that might have answered was ruled out, by reference; for the error that tells that none is left."""
    return {
        c.model.reference: f"{c.verdict.value}: {c.detail}"
        for c in decision.ruled_out
        if c.verdict is not Verdict.NOT_PINNED
    }
