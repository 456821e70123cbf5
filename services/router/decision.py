"""Which models may answer a request, and in which order to try them. Pure: the same inputs give the same decision.

models ──filters──> eligible ──rule, quality bar, score──> ranked ──experiment, exploration──> ranked
          └──> ruled out, each with its verdict
"""

import math
from collections.abc import Mapping, Sequence

from pointsman.config.catalogue import Model
from pointsman.response import HIGHEST_ABILITY, LOWEST_ABILITY, MEDIUM, Response
from services.router.candidates import NO_SESSION, Candidate, Decision, Draws, Judgement, Last, Needs, Snapshot, Verdict
from services.router.drawing import drawn
from services.router.policy import Policy
from services.router.prepared import prepare
from services.router.ranking import Found, quality_bar, rank, why
from services.router.rules import Rule

_ELIGIBLE = Verdict.ELIGIBLE
_new = tuple.__new__
_AS_EVER = Draws()


def decide(
    snapshot: Snapshot,
    policy: Policy,
    judgement: Judgement,
    needs: Needs,
    *,
    rule: Rule | None = None,
    draws: Draws = _AS_EVER,
    last: Last = NO_SESSION,
    panic: bool = False,
) -> Decision:
    """Filters and ranks every model of the snapshot; of equal scores the cheaper model comes first, then by reference.

    In a `panic` circuits are not looked at: where all that could serve are open, the best is tried rather than nobody.
    """
    prepared = prepare(snapshot, policy)
    complexity, (at_medium, below, above) = judgement.seen_by(policy)
    ruled_out: list[Candidate] = []
    pinned = needs.pinned
    if pinned:
        ruled_out += [
            Candidate(c.model, Verdict.NOT_PINNED, f"the request pins {pinned}") if c.model.reference != pinned else c
            for c in prepared.ruled_out
        ]
    else:
        ruled_out += prepared.ruled_out
    preferred = rule.preferred if rule is not None else None
    only = preferred if rule is not None and rule.strict else None
    at_home = policy.keeps_at_home(needs.data_class)
    intent, input_tokens = judgement.intent, judgement.input_tokens
    expected_tokens, wanted_tokens = judgement.output_tokens, needs.wanted_output_tokens
    capabilities, max_cost = needs.capabilities, _least(needs.max_cost_micros, policy.max_cost_micros)
    max_first_token_s = _least(needs.max_first_token_s, policy.max_first_token_s)
    min_rate = max(needs.min_tokens_per_second or 0.0, policy.min_tokens_per_second or 0.0)
    exp, lowest, highest = math.exp, LOWEST_ABILITY, HIGHEST_ABILITY
    success_value, stay_bonus = policy.success_value_micros, policy.stay_bonus_micros
    found: list[Found] = []
    for (
        live, reference, able, context_tokens, max_output_tokens, input_rate, output_rate, cached_rate, at_once, a_token,
        reliable, abilities, any_ability, list_price,
    ) in prepared.rows:  # fmt: skip
        if pinned and reference != pinned:
            ruled_out.append(Candidate(live.model, Verdict.NOT_PINNED, f"the request pins {pinned}"))
            continue
        if only is not None and reference not in only:
            told = f"rule {rule.name!r} wants others"  # type: ignore[union-attr]
            ruled_out.append(Candidate(live.model, Verdict.EXCLUDED_BY_RULE, told))
            continue
        if at_home and not live.model.self_hosted:
            told = f"policy {policy.name} keeps {needs.data_class or 'all'} prompts on self-hosted models"
            ruled_out.append(Candidate(live.model, Verdict.NOT_SELF_HOSTED, told))
            continue
        if capabilities and not capabilities <= able:
            told = f"lacks {', '.join(sorted(capabilities - able))}"
            ruled_out.append(Candidate(live.model, Verdict.LACKS_CAPABILITY, told))
            continue
        ability = abilities.get(intent, any_ability)
        mean, deviation, output_ratio = ability
        tokens = expected_tokens if output_ratio == 1.0 else int(expected_tokens * output_ratio) + 1
        if tokens > max_output_tokens:
            tokens = max_output_tokens
        if wanted_tokens is not None and tokens > wanted_tokens:
            tokens = wanted_tokens
        if input_tokens + tokens > context_tokens:
            told = f"about {input_tokens} + {tokens} tokens do not fit its window of {context_tokens}"
            ruled_out.append(Candidate(live.model, Verdict.CONTEXT_TOO_SMALL, told))
            continue
        if live.unavailable:
            ruled_out.append(Candidate(live.model, Verdict.UNAVAILABLE, live.unavailable))
            continue
        if live.circuit and not panic:
            ruled_out.append(Candidate(live.model, Verdict.CIRCUIT_OPEN, live.circuit))
            continue
        if draws.admit >= live.admits and not panic:
            told = f"{RECOVERS} and takes {live.admits:.0%} of the requests"
            ruled_out.append(Candidate(live.model, Verdict.CIRCUIT_OPEN, told))
            continue
        if max_first_token_s is not None and live.first_token_s > max_first_token_s:
            told = f"first token after {live.first_token_s:.3g} s, the limit is {max_first_token_s:.3g} s"
            ruled_out.append(Candidate(live.model, Verdict.TOO_SLOW, told))
            continue
        if live.tokens_per_second < min_rate:
            told = f"{live.tokens_per_second:.3g} tokens/s, wanted are {min_rate:.3g}"
            ruled_out.append(Candidate(live.model, Verdict.TOO_SLOW, told))
            continue
        cached = 0
        bonus = 0.0
        cost = input_tokens * input_rate + tokens * output_rate
        if reference == last.reference:
            cached = min(last.tokens, input_tokens)
            cost -= cached * (input_rate - cached_rate)
            bonus = stay_bonus
        if max_cost is not None and cost > max_cost:
            ruled_out.append(_too_dear(live.model, cost, needs, policy))
            continue
        # `Response.logit`, written out: a call for each model would take as long as all the rest.
        bounded = lowest if mean < lowest else highest if mean > highest else mean
        logit = at_medium + (bounded - MEDIUM) * (below if bounded < MEDIUM else above)
        quality = reliable / (1.0 + exp(-logit))
        value = quality * success_value
        time_cost = at_once + tokens * a_token
        score = value - cost - time_cost + bonus
        # By position, and past the named tuple's own constructor: either would double the time this takes. The order is the class'.
        candidate = _new(
            Candidate,
            (
                live.model, _ELIGIBLE, "", score, quality, cost, live.first_token_s,
                live.tokens_per_second, mean, deviation, reliable, tokens, cached, value, time_cost, bonus, 0.0,
            ),
        )  # fmt: skip
        found.append((-score, list_price, reference, candidate))
    bar = quality_bar(found, policy)
    ranked = rank(found, policy, preferred, bar)
    if not ranked and _all_resting(ruled_out, pinned):
        return decide(snapshot, policy, judgement, needs, rule=rule, draws=draws, last=last, panic=True)
    if not ranked:
        return Decision((), tuple(ruled_out), "no model is eligible", complexity)
    if pinned:
        ranked[0] = ranked[0]._replace(propensity=1.0)
        return Decision(tuple(ranked), tuple(ruled_out), f"pinned to {pinned}", complexity, 1.0)
    reason = why(ranked, policy, judgement, complexity, rule)
    if policy.explore == 0.0 and not draws.arms:
        ranked[0] = ranked[0]._replace(propensity=1.0)
        return Decision(tuple(ranked), tuple(ruled_out), reason, complexity, 1.0)
    return drawn(
        ranked, ruled_out, policy, draws, reason, complexity, Response(at_medium, below, above), preferred, bar
    )


def _all_resting(ruled_out: Sequence[Candidate], pinned: str) -> bool:
    """Whether circuits alone are in the way. A pinned model that is left alone stays so: its caller chose to wait for it; but one that
    recovers takes all that nobody else can.
    """
    resting = [c.model.reference for c in ruled_out if c.verdict is Verdict.CIRCUIT_OPEN]
    return bool(resting) and (not pinned or any(c.detail.startswith(RECOVERS) for c in ruled_out))


RECOVERS = "it recovers from an outage"


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _too_dear(model: Model, cost: float, needs: Needs, policy: Policy) -> Candidate:
    if needs.max_cost_micros is not None and cost > needs.max_cost_micros:
        over = f"the request's ${needs.max_cost_micros / 1e6:.6f}"
    else:
        over = f"the policy's ${(policy.max_cost_micros or 0) / 1e6:.6f}"
    return Candidate(model, Verdict.OVER_BUDGET, f"about ${cost / 1e6:.6f}, over {over}", cost=cost)


def unmet(decision: Decision) -> Mapping[str, str]:
    """Why each model that might have answered was ruled out, by reference; for the error that tells that none is left."""
    return {
        c.model.reference: f"{c.verdict.value}: {c.detail}"
        for c in decision.ruled_out
        if c.verdict is not Verdict.NOT_PINNED
    }
