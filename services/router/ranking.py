"""In which order candidates are tried, and the words for it. Pure."""

from collections.abc import Sequence

from services.router.candidates import Candidate, Judgement
from services.router.policy import Policy
from services.router.rules import Rule

# A candidate behind what it is ranked by where the score alone decides: less its score, the sum of its list prices, `provider/model`.
# References differ, so candidates are never compared.
Found = tuple[float, int, str, Candidate]


def rank(found: list[Found], policy: Policy, preferred: frozenset[str] | None, bar: float) -> list[Candidate]:
    """Best first: those that the rule prefers, then those above the quality bar, then by score or, for `cheapest`, by cost."""
    cheapest = policy.cheapest
    if bar == 0.0 and preferred is None and not cheapest:
        # What most requests come to: another key for each model would double the time that ranking takes.
        found.sort()
        return [entry[3] for entry in found]
    keyed = []
    for _, list_price, reference, candidate in found:
        below = candidate.expected_quality < bar
        if not cheapest:
            order = -candidate.score
        elif below:
            order = -candidate.expected_quality
        else:
            order = candidate.cost + candidate.time_cost - candidate.stay_bonus
        unwanted = preferred is not None and reference not in preferred
        keyed.append((unwanted, below, order, list_price, reference, candidate))
    keyed.sort()
    if bar == 0.0:
        return [key[-1] for key in keyed]
    told = f"below the quality bar of {bar:.2f}"
    return [key[-1]._replace(detail=told) if key[1] else key[-1] for key in keyed]


def quality_bar(found: Sequence[Found], policy: Policy) -> float:
    """The P(right) below which a candidate comes after all others."""
    if policy.min_quality_share == 0.0 or not found:
        return policy.min_quality
    return max(policy.min_quality, policy.min_quality_share * max(entry[3].expected_quality for entry in found))


def why(ranked: Sequence[Candidate], policy: Policy, judgement: Judgement, complexity: float, rule: Rule | None) -> str:
    first = ranked[0]
    kind = f"{judgement.intent or 'unknown intent'}, complexity {complexity:.2f}"
    if judgement.fallback:
        kind = f"complexity {complexity:.2f} by default ({judgement.fallback})"
    if rule is not None and rule.preferred is not None:
        kind = f"rule {rule.name!r}, {kind}"
    right = first.expected_quality
    expectation = (
        f"expected right {'over 99%' if right > 0.99 else f'{right:.0%}'} for ${first.expected_cost_micros / 1e6:.6f}"
    )
    if len(ranked) == 1:
        return f"{kind}: the only eligible model; {expectation}"
    second = ranked[1]
    if rule is not None and rule.preferred and second.model.reference not in rule.preferred:
        return f"{kind}: the only one that the rule names; {expectation}"
    if second.detail and not first.detail:
        return f"{kind}: the only one above {policy.name}'s quality bar; {expectation}"
    if policy.cheapest:
        if first.detail:
            return f"{kind}: none reaches {policy.name}'s quality bar, it comes nearest; {expectation}"
        return f"{kind}: the cheapest above {policy.name}'s quality bar, before {second.model.reference}; {expectation}"
    stays = ", for it has the session's prompt cached" if first.cached_tokens else ""
    margin = (first.score - second.score) / 1e6
    return f"{kind}: {policy.name} prefers it to {second.model.reference} by ${margin:.6f}{stays}; {expectation}"
