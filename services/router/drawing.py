"""Experiments and exploration: which candidate comes first where chance has a word, and how probable each was to. Pure."""

from collections.abc import Sequence

from pointsman.response import Response
from services.router.candidates import Candidate, Decision, Draws
from services.router.exploring import exceeds, odds, pick
from services.router.policy import Policy

# So many of the best are considered; what scores lower is not worth the time it takes to tell how improbable it is.
CONSIDERED = 12


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
    probable = [0.0] * len(ranked)
    probable[0] = 1.0
    chances: list[float] = []
    if policy.explore:
        peers = _peers(ranked, policy, preferred, bar)
        doubts = [_doubt(c, curve) for c in peers]
        chances = _cheapest_odds(peers, doubts, bar) if policy.cheapest else _best_odds(peers, doubts, policy)
        probable[0] = 1.0 - policy.explore
        for index, chance in enumerate(chances):
            probable[index] += policy.explore * chance
    first, explored, experiment = 0, False, ""
    if draws.arms:
        places = {c.model.reference: index for index, c in enumerate(ranked)}
        arms = [(places[reference], share) for reference, share in draws.arms if reference in places]
        rest = max(0.0, 1.0 - sum(share for _, share in arms))
        probable = [rest * chance for chance in probable]
        for index, share in arms:
            probable[index] += share
        if draws.arm in places:
            first, experiment = places[draws.arm], draws.experiment
            share = dict(draws.arms)[draws.arm]
            reason = f"experiment {experiment!r} sends {share:.1%} of the requests to it"
    if not experiment and draws.explore < policy.explore:
        first = pick(chances, draws.pick)
        explored = first != 0
        if explored:
            often = f"{policy.explore:.0%} of the requests are drawn so"
            reason = f"explored, since it may be better than {ranked[0].model.reference}; {often}"
    for index, chance in enumerate(probable):
        if chance:
            ranked[index] = ranked[index]._replace(propensity=chance)
    ranked.insert(0, ranked.pop(first))
    return Decision(tuple(ranked), tuple(ruled_out), reason, complexity, probable[first], explored, experiment)


def _peers(
    ranked: Sequence[Candidate], policy: Policy, preferred: frozenset[str] | None, bar: float
) -> Sequence[Candidate]:
    """Those that exploration may pick: on the first one's side of the rule and, where the score decides, of the quality bar."""

    def side(candidate: Candidate) -> tuple[bool, bool]:
        unwanted = preferred is not None and candidate.model.reference not in preferred
        return unwanted, not policy.cheapest and candidate.expected_quality < bar

    same = side(ranked[0])
    return [c for c in ranked[:CONSIDERED] if side(c) == same]


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
    chance = curve.probability(candidate.ability)
    return (
        candidate.reliability * chance * (1.0 - chance) * curve.slope(candidate.ability) * candidate.ability_deviation
    )
