"""Experiments and exploration: which candidate comes first where chance has a word, and how probable each was to. Pure."""

from collections.abc import Sequence

from pointsman.response import Response
from services.router.candidates import Candidate, Decision, Draws
from services.router.exploring import odds, pick
from services.router.policy import Policy


def drawn(
    ranked: list[Candidate],
    ruled_out: list[Candidate],
    policy: Policy,
    draws: Draws,
    reason: str,
    complexity: float,
    curve: Response,
    preferred: frozenset[str] | None,
) -> Decision:
    """Lets the draws decide which candidate comes first, and tells how probable each was to."""
    normal = [1.0] + [0.0] * (len(ranked) - 1)
    if policy.explore:
        group = _peers(ranked, preferred)
        chances = odds([c.score for c in ranked[:group]], [_doubt(c, policy, curve) for c in ranked[:group]])
        for index, chance in enumerate(chances):
            normal[index] = (1.0 - policy.explore) * normal[index] + policy.explore * chance
    places = {c.model.reference: index for index, c in enumerate(ranked)}
    arms = [(places[reference], share) for reference, share in draws.arms if reference in places]
    rest = max(0.0, 1.0 - sum(share for _, share in arms))
    probable = [rest * chance for chance in normal]
    for index, share in arms:
        probable[index] += share
    ranked = [c._replace(propensity=chance) if chance else c for c, chance in zip(ranked, probable, strict=True)]
    first, explored, experiment = 0, False, ""
    if draws.arm in places:
        first, experiment = places[draws.arm], draws.experiment
        share = dict(draws.arms)[draws.arm]
        reason = f"experiment {experiment!r} sends {share:.1%} of the requests to it"
    elif policy.explore and draws.explore < policy.explore:
        first = pick(chances, draws.pick)
        explored = first != 0
        if explored:
            reason = (
                f"explored, as one in {1 / policy.explore:.0f} is: it may be better than {ranked[0].model.reference}"
            )
    ranked.insert(0, ranked.pop(first))
    return Decision(
        tuple(ranked), tuple(ruled_out), reason, complexity, ranked[0].propensity, explored, experiment
    )  # fmt: skip


def _peers(ranked: Sequence[Candidate], preferred: frozenset[str] | None) -> int:
    """How many candidates stand with the first: on the same side of the rule and of the quality bar."""

    def side(candidate: Candidate) -> tuple[bool, bool]:
        return bool(candidate.detail), preferred is not None and candidate.model.reference not in preferred

    return next((i for i, c in enumerate(ranked) if side(c) != side(ranked[0])), len(ranked))


def _doubt(candidate: Candidate, policy: Policy, curve: Response) -> float:
    """The standard deviation of a candidate's worth, from that of its ability: the first term of the Taylor series."""
    chance = curve.probability(candidate.ability)
    steepness = candidate.reliability * chance * (1.0 - chance) * curve.slope(candidate.ability)
    return policy.success_value_micros * steepness * candidate.ability_deviation
