"""The decision once more, slow and as plain as the documentation says it; what is fast is tested against it."""

import math
from collections.abc import Sequence
from typing import Any

from services.router.candidates import Judgement, Last, LiveModel, Needs, Verdict
from services.router.policy import Policy
from services.router.rules import Rule

Ranked = list[tuple[str, float, float]]


def naive(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Judgement, needs: Needs, rule: Rule | None, last: Last
) -> tuple[Ranked, dict[str, Verdict]]:
    """Reference, score and P(right) of the eligible models, best first; and why each of the others is none."""
    verdicts = {m.model.reference: _verdict(m, policy, judgement, needs, rule, last) for m in fleet}
    eligible = [m for m in fleet if verdicts[m.model.reference] is Verdict.ELIGIBLE]
    rows = []
    for live in eligible:
        reference, tokens, cost = (
            live.model.reference,
            _tokens(live, judgement, needs),
            _cost(live, judgement, needs, last),
        )
        quality = live.reliability * _chance(live, policy, judgement)
        seconds = live.first_token_s + tokens / live.tokens_per_second
        time = live.first_token_s * policy.first_token_value_micros + seconds * policy.second_value_micros
        bonus = policy.stay_bonus_micros if reference == last.reference else 0.0
        rows.append(
            (reference, quality, cost + time - bonus, quality * policy.success_value_micros - cost - time + bonus, live)
        )
    best = max((quality for _, quality, _, _, _ in rows), default=0.0)
    bar = max(policy.min_quality, policy.min_quality_share * best)

    def order(row: tuple[str, float, float, float, LiveModel]) -> tuple[Any, ...]:
        reference, quality, price, score, live = row
        second_choice = rule is not None and rule.preferred is not None and reference not in rule.preferred
        value = (price if quality >= bar else -quality) if policy.cheapest else -score
        listed = live.model.price.input_micros_per_mtok + live.model.price.output_micros_per_mtok
        return second_choice, quality < bar, value, listed, reference

    ranked = [(reference, score, quality) for reference, quality, _, score, _ in sorted(rows, key=order)]
    return ranked, {reference: v for reference, v in verdicts.items() if v is not Verdict.ELIGIBLE}


def _verdict(
    live: LiveModel, policy: Policy, judgement: Judgement, needs: Needs, rule: Rule | None, last: Last
) -> Verdict:
    model = live.model
    limits = [limit for limit in (policy.max_cost_micros, needs.max_cost_micros) if limit is not None]
    slowest = [limit for limit in (policy.max_first_token_s, needs.max_first_token_s) if limit is not None]
    rates = [limit for limit in (policy.min_tokens_per_second, needs.min_tokens_per_second) if limit is not None]
    strict = rule is not None and rule.strict and rule.preferred is not None
    checks = [
        (Verdict.NOT_PINNED, needs.pinned not in ("", model.reference)),
        (Verdict.EXCLUDED_BY_POLICY, model.reference in policy.excluded),
        (Verdict.WRONG_RESIDENCY, bool(policy.residency) and not policy.residency & model.residency),
        (Verdict.EXCLUDED_BY_RULE, strict and model.reference not in rule.preferred),  # type: ignore[union-attr, operator]
        (Verdict.NOT_SELF_HOSTED, bool({"*", needs.data_class} & policy.self_hosted_for) and not model.self_hosted),
        (Verdict.LACKS_CAPABILITY, bool(needs.capabilities - model.capabilities)),
        (Verdict.CONTEXT_TOO_SMALL, judgement.input_tokens + _tokens(live, judgement, needs) > model.context_tokens),
        (Verdict.UNAVAILABLE, bool(live.unavailable)),
        (Verdict.TOO_SLOW, any(live.first_token_s > limit for limit in slowest)),
        (Verdict.TOO_SLOW, any(live.tokens_per_second < limit for limit in rates)),
        (Verdict.OVER_BUDGET, any(_cost(live, judgement, needs, last) > limit for limit in limits)),
    ]
    return next((verdict for verdict, holds in checks if holds), Verdict.ELIGIBLE)


def _tokens(live: LiveModel, judgement: Judgement, needs: Needs) -> int:
    ratio = live.model.output_ratio
    expected = judgement.output_tokens if ratio == 1.0 else math.floor(judgement.output_tokens * ratio) + 1
    wanted = math.inf if needs.wanted_output_tokens is None else needs.wanted_output_tokens
    return int(min(expected, live.model.max_output_tokens, wanted))


def _cost(live: LiveModel, judgement: Judgement, needs: Needs, last: Last) -> float:
    price, cached = live.model.price, 0
    if live.model.reference == last.reference:
        cached = min(last.tokens, judgement.input_tokens)
    return (
        (judgement.input_tokens - cached) * price.input_micros_per_mtok
        + cached * price.cache_read_micros_per_mtok
        + _tokens(live, judgement, needs) * price.output_micros_per_mtok
    ) / 1e6


def _chance(live: LiveModel, policy: Policy, judgement: Judgement) -> float:
    complexity = policy.default_complexity if judgement.fallback else judgement.complexity
    if judgement.fallback or judgement.chances is None:
        small = 0.95 - complexity * 0.95
        chances = [small, small + 0.4 * (0.95 - small), 0.95]
    else:
        chances = list(judgement.chances)
    small, medium, frontier = _never_falling(
        [math.log(c / (1 - c)) for c in (min(0.98, max(0.02, c)) for c in chances)]
    )
    model = live.model
    ability = min(4.0, max(-2.0, model.quality_by_intent.get(judgement.intent, model.quality)))
    logit = (
        small + (medium - small) * ability / 0.4
        if ability < 0.4
        else medium + (frontier - medium) * (ability - 0.4) / 0.6
    )
    return 1 / (1 + math.exp(-logit))


def _never_falling(values: list[float]) -> list[float]:
    """Isotonic regression by definition: the highest mean of what comes before, at the lowest of what comes after."""
    n = len(values)
    return [max(min(sum(values[i : j + 1]) / (j + 1 - i) for j in range(k, n)) for i in range(k + 1)) for k in range(n)]
