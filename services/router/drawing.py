"""Experiments and exploration: which candidate comes first where chance has a word, and how probable each was to. Pure."""

from collections.abc import Sequence

from pointsman.response import Response
from services.router.candidates import Candidate, Decision, Draws
from services.router.exploring import exceeds, odds, pick
from services.router.policy import Policy

# So many of the best are considered; what scores lower is not worth the time it takes to tell how improbable it is.
CONSIDERED = 8


def drawn(
    ranked: list[Candidate],
    ruled_out: list[Candidate],
    policy: Policy,
    draws: Draws,
    reason: str,
    complexity: float,
    curve: Response,
    preferred: frozenset[str] | None,
    bar: float,
) -> Decision:
    """Lets the draws decide which candidate comes first, and tells how probable each was to."""
    # By place; all others have none.
    probable = {0: 1.0}
    chances: list[float] = []
    if policy.explore:
        peers = _peers(ranked, policy, preferred, bar)
        doubts = [_doubt(c, curve) for c in peers]
        chances = _cheapest_odds(peers, doubts, bar) if policy.cheapest else _best_odds(peers, doubts, policy)
        probable[0] = 1.0 - policy.explore
        for index, chance in enumerate(chances):
            probable[index] = probable.get(index, 0.0) + policy.explore * chance
    first, explored, experiment = 0, False, ""
    if draws.arms:
        shares = dict(draws.arms)
        places = {c.model.reference: index for index, c in enumerate(ranked) if c.model.reference in shares}
        rest = max(0.0, 1.0 - sum(shares[reference] for reference in places))
        probable = {index: rest * chance for index, chance in probable.items()}
        for reference, index in places.items():
            probable[index] = probable.get(index, 0.0) + shares[reference]
        if draws.arm in places:
            first, experiment = places[draws.arm], draws.experiment
            reason = f"experiment {experiment!r} sends {shares[draws.arm]:.1%} of the requests to it"
    if not experiment and draws.explore < policy.explore:
        first = pick(chances, draws.pick)
        explored = first != 0
        if explored:
            often = f"{policy.explore:.0%} of the requests are drawn so"
            reason = f"explored, since it may be better than {ranked[0].model.reference}; {often}"
    for index, chance in probable.items():
        if chance:
            ranked[index] = ranked[index]._replace(propensity=chance)
    ranked.insert(0, ranked.pop(first))
    return Decision(tuple(ranked), tuple(ruled_out), reason, complexity, probable[first], explored, experiment)


def _peers(
    ranked: Sequence[Candidate], policy: Policy, preferred: frozenset[str] | None, bar: float
) -> Sequence[Candidate]:
    """Those that exploration may pick: on the first one's side of the rule and, where the score decides, of the quality bar."""

    best = ranked[0]
    peers: Sequence[Candidate] = ranked[:CONSIDERED]
    if preferred is not None:
        unwanted = best.model.reference not in preferred
        peers = [c for c in peers if (c.model.reference not in preferred) == unwanted]
    if bar and not policy.cheapest:
        below = best.expected_quality < bar
        peers = [c for c in peers if (c.expected_quality < bar) == below]
    return peers


def _best_odds(peers: Sequence[Candidate], doubts: Sequence[float], policy: Policy) -> list[float]:
    """How probable each is to have the highest score."""
    return odds([c.score for c in peers], [policy.success_value_micros * doubt for doubt in doubts])


def _cheapest_odds(peers: Sequence[Candidate], doubts: Sequence[float], bar: float) -> list[float]:
    """How probable each is to be the cheapest that reaches the bar; where none does, the first stays."""
    found, left = [0.0] * len(peers), 1.0
    for index in sorted(range(len(peers)), key=lambda i: peers[i].cost + peers[i].time_cost - peers[i].stay_bonus):
        reaches = exceeds(peers[index].expected_quality, doubts[index], bar)
        found[index] = left * reaches
        left -= found[index]
    found[0] += left
    return found


def _doubt(candidate: Candidate, curve: Response) -> float:
    """The standard deviation of a candidate's P(right), from that of its ability: the first term of the Taylor series."""
    chance = candidate.expected_quality / candidate.reliability if candidate.reliability else 0.0
    return candidate.expected_quality * (1.0 - chance) * curve.slope(candidate.ability) * candidate.ability_deviation
