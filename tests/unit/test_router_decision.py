"""Which model is chosen, and why the others are not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.schema import CapabilityName
from pointsman.response import Chances
from services.router.candidates import Last, LiveModel, Needs, Verdict
from services.router.decision import decide, unmet
from services.router.policy import Policy
from services.router.rules import Rule, When
from tests.unit.naive_decision import naive
from tests.unit.routing import JUDGEMENT, NEEDS, POLICY, live, price, snapshot

CAPABILITIES = st.frozensets(st.sampled_from(CapabilityName), max_size=3)
# Coarse numbers: what is tested is the order, not the last bit of a float.
HUNDREDTHS = st.integers(0, 100).map(lambda n: n / 100)
ABILITIES = st.integers(-250, 450).map(lambda n: n / 100)


@st.composite
def models(draw: st.DrawFn, name: str) -> LiveModel:
    attempts = draw(st.integers(0, 50))
    return live(
        name,
        unavailable=draw(st.sampled_from(["", "", "", "it is down"])),
        attempts=attempts,
        failures=draw(st.integers(0, attempts)),
        capabilities=draw(CAPABILITIES),
        quality=draw(ABILITIES),
        quality_by_intent=draw(st.sampled_from([{}, {}, {"code": 1.2}, {"math": 0.1}])),
        output_ratio=draw(st.sampled_from([1.0, 1.0, 0.5, 3.0])),
        residency=draw(st.sampled_from([frozenset(), frozenset({"eu"}), frozenset({"us", "eu"})])),
        self_hosted=draw(st.booleans()),
        context_tokens=draw(st.sampled_from([50, 250, 8_000])),
        price=price(draw(st.integers(0, 50)), draw(st.integers(0, 100))),
        first_token_s=draw(st.sampled_from([0.1, 1.0, 10.0])),
        tokens_per_second=draw(st.sampled_from([10.0, 100.0])),
    )


@st.composite
def fleets(draw: st.DrawFn) -> Sequence[LiveModel]:
    return [draw(models(f"m{number}")) for number in range(draw(st.integers(1, 6)))]


POLICIES = st.builds(
    replace,
    st.just(POLICY),
    success_value_micros=st.sampled_from([0.0, 1_000.0, 20_000.0, 1_000_000.0]),
    first_token_value_micros=st.sampled_from([0.0, 300.0]),
    second_value_micros=st.sampled_from([0.0, 200.0, 5_000.0]),
    stay_bonus_micros=st.sampled_from([0.0, 200.0]),
    min_quality=HUNDREDTHS,
    min_quality_share=st.sampled_from([0.0, 0.0, 0.9]),
    excluded=st.frozensets(st.sampled_from(["p/m0", "p/m1"])),
    max_cost_micros=st.sampled_from([None, 0, 1_000]),
    max_first_token_s=st.sampled_from([None, None, 1.0]),
    min_tokens_per_second=st.sampled_from([None, None, 50.0]),
    residency=st.sampled_from([frozenset(), frozenset(), frozenset({"eu"})]),
    self_hosted_for=st.sampled_from([frozenset(), frozenset({"secret"}), frozenset({"*"})]),
)
CHEAPEST = st.builds(replace, POLICIES, cheapest=st.booleans())
CHANCES = st.builds(Chances, HUNDREDTHS, HUNDREDTHS, HUNDREDTHS)
JUDGEMENTS = st.builds(
    replace,
    st.just(JUDGEMENT),
    complexity=HUNDREDTHS,
    fallback=st.sampled_from(["", "", "late"]),
    chances=st.none() | CHANCES,
)
ALL_NEEDS = st.builds(
    Needs,
    capabilities=CAPABILITIES,
    pinned=st.sampled_from(["", "", "", "p/m0", "p/m1"]),
    max_cost_micros=st.sampled_from([None, 500, 5_000]),
    wanted_output_tokens=st.sampled_from([None, 10, 100_000]),
    data_class=st.sampled_from(["", "secret"]),
    max_first_token_s=st.sampled_from([None, None, 5.0]),
    min_tokens_per_second=st.sampled_from([None, None, 20.0]),
)
RULES = st.none() | st.builds(
    Rule,
    name=st.just("r"),
    when=st.just(When()),
    preferred=st.none() | st.frozensets(st.sampled_from(["p/m0", "p/m1", "p/m2"])),
    strict=st.booleans(),
)
LAST = st.builds(Last, st.sampled_from(["", "p/m0", "p/m1"]), st.sampled_from([0, 50, 5_000]))


@given(fleets(), CHEAPEST, JUDGEMENTS, ALL_NEEDS, RULES, LAST)
def test_it_decides_as_a_slow_and_simple_second_version_does(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs, rule: Rule | None, last: Last
) -> None:
    decision = decide(snapshot(*fleet), policy, judgement, needs, rule=rule, last=last)
    ranked, ruled_out = naive(fleet, policy, judgement, needs, rule, last)
    assert [c.model.reference for c in decision.ranked] == [reference for reference, _, _ in ranked]
    assert {c.model.reference: c.verdict for c in decision.ruled_out} == ruled_out
    for candidate, (_, score, quality) in zip(decision.ranked, ranked, strict=True):
        assert candidate.score == pytest.approx(score, abs=1e-6)
        assert candidate.expected_quality == pytest.approx(quality, abs=1e-9)


@given(fleets(), CHEAPEST, JUDGEMENTS, ALL_NEEDS, LAST)
def test_the_parts_of_a_score_add_up_to_it(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs, last: Last
) -> None:
    for c in decide(snapshot(*fleet), policy, judgement, needs, last=last).ranked:
        assert c.score == pytest.approx(c.quality_value - c.cost - c.time_cost + c.stay_bonus)


@given(fleets(), POLICIES, JUDGEMENTS, ALL_NEEDS)
def test_every_model_is_either_ranked_or_ruled_out_with_its_reason(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs
) -> None:
    decision = decide(snapshot(*fleet), policy, judgement, needs)
    told = [c.model.reference for c in (*decision.ranked, *decision.ruled_out)]
    assert sorted(told) == sorted(m.model.reference for m in fleet)
    assert all(c.verdict is Verdict.ELIGIBLE for c in decision.ranked)
    assert all(c.verdict is not Verdict.ELIGIBLE and c.detail for c in decision.ruled_out)
    assert all(0 <= c.expected_quality <= 1 for c in decision.ranked)
    assert decision.reason


@given(fleets(), POLICIES, JUDGEMENTS, ALL_NEEDS)
def test_the_same_inputs_give_the_same_decision_in_whatever_order_the_models_stand(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs
) -> None:
    decision = decide(snapshot(*fleet), policy, judgement, needs)
    assert decide(snapshot(*fleet), policy, judgement, needs) == decision
    assert decide(snapshot(*reversed(fleet)), policy, judgement, needs).ranked == decision.ranked


@given(fleets(), POLICIES, JUDGEMENTS, ALL_NEEDS)
def test_an_ineligible_model_changes_nothing_about_the_choice(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs
) -> None:
    decision = decide(snapshot(*fleet), policy, judgement, needs)
    eligible = {c.model.reference for c in decision.ranked}
    without = decide(snapshot(*(m for m in fleet if m.model.reference in eligible)), policy, judgement, needs)
    assert (without.ranked, without.reason) == (decision.ranked, decision.reason)


@given(models("m"), POLICIES, JUDGEMENTS, st.integers(1, 5), st.booleans())
def test_of_two_models_that_differ_in_price_alone_the_cheaper_is_preferred(
    model: LiveModel, policy: Policy, judgement: Any, more: int, dearer_first_by_name: bool
) -> None:
    price_now = model.model.price
    dearer_price = replace(
        price_now,
        input_micros_per_mtok=price_now.input_micros_per_mtok + more,
        output_micros_per_mtok=price_now.output_micros_per_mtok + more,
    )
    name = "a" if dearer_first_by_name else "z"
    dearer = replace(model, model=replace(model.model, name=name, price=dearer_price))
    ranked = decide(snapshot(dearer, model), policy, judgement, NEEDS).ranked
    assert [c.model.name for c in ranked][:1] != [name]


@given(fleets(), POLICIES, JUDGEMENTS, ALL_NEEDS, st.integers(2, 1_000))
def test_a_right_answer_that_is_worth_more_never_lowers_the_expected_quality_of_the_choice(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any, needs: Needs, factor: int
) -> None:
    richer = replace(policy, success_value_micros=policy.success_value_micros * factor + 1.0)
    before = decide(snapshot(*fleet), policy, judgement, needs).ranked
    after = decide(snapshot(*fleet), richer, judgement, needs).ranked
    assert len(before) == len(after)
    if before:
        assert after[0].expected_quality >= before[0].expected_quality - 1e-9


@given(fleets(), POLICIES, JUDGEMENTS)
def test_models_below_the_quality_bar_come_after_all_others(
    fleet: Sequence[LiveModel], policy: Policy, judgement: Any
) -> None:
    ranked = decide(snapshot(*fleet), policy, judgement, NEEDS).ranked
    best = max((c.expected_quality for c in ranked), default=0.0)
    bar = max(policy.min_quality, policy.min_quality_share * best)
    below = [c.expected_quality < bar for c in ranked]
    assert below == sorted(below)
    assert [bool(c.detail) for c in ranked] == below


@pytest.mark.parametrize(
    ("model", "needs", "verdict", "words"),
    [
        (live(), replace(NEEDS, pinned="p/other"), Verdict.NOT_PINNED, "the request pins p/other"),
        (live("shut"), NEEDS, Verdict.EXCLUDED_BY_POLICY, "policy balanced does not admit it"),
        (live(), replace(NEEDS, capabilities=frozenset({CapabilityName.TOOLS})), Verdict.LACKS_CAPABILITY, "lacks tools"),
        (
            live(context_tokens=250),
            NEEDS,
            Verdict.CONTEXT_TOO_SMALL,
            "about 100 + 200 tokens do not fit its window of 250",
        ),
        (live(unavailable="it is down"), NEEDS, Verdict.UNAVAILABLE, "it is down"),
        (
            replace(live(), circuit="it failed too often"),
            replace(NEEDS, pinned="p/m"),
            Verdict.CIRCUIT_OPEN,
            "it failed too often",
        ),
        (live(first_token_s=3.0), replace(NEEDS, max_first_token_s=2.0), Verdict.TOO_SLOW, "first token after 3 s, the limit is 2 s"),
        (live(tokens_per_second=9.0), replace(NEEDS, min_tokens_per_second=10.0), Verdict.TOO_SLOW, "9 tokens/s, wanted are 10"),
        (
            live(price=price(10, 10)),
            replace(NEEDS, max_cost_micros=500),
            Verdict.OVER_BUDGET,
            "about $0.003000, over the request's $0.000500",
        ),
    ],
)  # fmt: skip
def test_a_model_that_may_not_answer_is_told_why(model: LiveModel, needs: Needs, verdict: Verdict, words: str) -> None:
    policy = replace(POLICY, excluded=frozenset({"p/shut"}))
    decision = decide(snapshot(model), policy, JUDGEMENT, needs)
    assert not decision.ranked
    assert (decision.ruled_out[0].verdict, decision.ruled_out[0].detail) == (verdict, words)
    assert decision.reason == "no model is eligible"


def test_the_policys_own_limit_rules_out_too() -> None:
    policy = replace(POLICY, max_cost_micros=100)
    assert decide(snapshot(live()), policy, JUDGEMENT, NEEDS).ruled_out[0].detail == (
        "about $0.000500, over the policy's $0.000100"
    )


def test_a_shorter_answer_fits_a_smaller_window_and_budget() -> None:
    short = replace(NEEDS, wanted_output_tokens=10, max_cost_micros=130)
    assert decide(snapshot(live(context_tokens=250)), POLICY, JUDGEMENT, short).ranked


def test_a_pin_does_not_get_round_the_lists_of_the_policy() -> None:
    policy = replace(POLICY, excluded=frozenset({"p/m"}))
    decision = decide(snapshot(live(), live("n")), policy, JUDGEMENT, replace(NEEDS, pinned="p/m"))
    assert not decision.ranked
    assert decision.ruled_out[0].verdict is Verdict.EXCLUDED_BY_POLICY


def test_what_is_told_of_a_pinned_model_is_about_that_model() -> None:
    decision = decide(
        snapshot(live(unavailable="it is down"), live("n")), POLICY, JUDGEMENT, replace(NEEDS, pinned="p/m")
    )
    assert unmet(decision) == {"p/m": "UNAVAILABLE: it is down"}


def test_quality_by_intent_counts_where_the_intent_is_known() -> None:
    coder, writer = live("coder", quality=0.6, quality_by_intent={"code": 0.95}), live("writer", quality=0.7)
    chosen = {
        intent: decide(snapshot(coder, writer), POLICY, replace(JUDGEMENT, intent=intent), NEEDS).ranked[0].model.name
        for intent in ("code", "creative_writing")
    }
    assert chosen == {"code": "coder", "creative_writing": "writer"}


def test_an_easy_prompt_goes_to_the_cheap_model_and_a_hard_one_to_the_good_one() -> None:
    small, large = live("small", quality=0.2, price=price(0.1, 0.2)), live("large", quality=0.95, price=price(5, 25))
    chosen = {
        complexity: decide(
            snapshot(small, large), POLICY, replace(JUDGEMENT, complexity=complexity), NEEDS
        ).ranked[0].model.name
        for complexity in (0.05, 0.9)
    }  # fmt: skip
    assert chosen == {0.05: "small", 0.9: "large"}


def test_a_model_that_fails_often_loses_to_an_equal_one() -> None:
    decision = decide(snapshot(live("a", attempts=20, failures=10), live("b", attempts=20)), POLICY, JUDGEMENT, NEEDS)
    assert [c.model.name for c in decision.ranked] == ["b", "a"]


def test_the_reason_compares_with_the_next() -> None:
    decision = decide(snapshot(live("a", quality=0.9), live("b", quality=0.5)), POLICY, JUDGEMENT, NEEDS)
    assert decision.reason == (
        "code, complexity 0.50: balanced prefers it to p/b by $0.003714; expected right 93% for $0.000500"
    )


def test_the_reason_does_not_claim_a_gain_where_only_the_bar_decided() -> None:
    policy = replace(POLICY, min_quality=0.8)
    good, cheap = live("good", quality=0.7, price=price(20, 100)), live("cheap", quality=0.5, price=price(0, 0))
    decision = decide(snapshot(good, cheap), policy, JUDGEMENT, NEEDS)
    assert [c.model.name for c in decision.ranked] == ["good", "cheap"]
    assert "the only one above balanced's quality bar" in decision.reason
    assert decision.ranked[1].detail == "below the quality bar of 0.80"


def test_the_reason_says_when_the_complexity_is_a_default() -> None:
    judgement = replace(JUDGEMENT, fallback="classifier late")
    decision = decide(snapshot(live()), POLICY, judgement, NEEDS)
    assert decision.reason.startswith("complexity 0.50 by default (classifier late): the only eligible model;")


def test_a_policy_keeps_prompts_of_a_data_class_on_self_hosted_models() -> None:
    policy = replace(POLICY, self_hosted_for=frozenset({"secret"}))
    fleet = snapshot(live("away", quality=1.5), live("home", quality=0.1, self_hosted=True))
    public = decide(fleet, policy, JUDGEMENT, NEEDS)
    secret = decide(fleet, policy, JUDGEMENT, replace(NEEDS, data_class="secret"))
    assert [c.model.name for c in public.ranked] == ["away", "home"]
    assert [c.model.name for c in secret.ranked] == ["home"]
    assert secret.ruled_out[0].verdict is Verdict.NOT_SELF_HOSTED
    assert secret.ruled_out[0].detail == "policy balanced keeps secret prompts on self-hosted models"


def test_a_policy_of_one_place_rules_out_models_of_others() -> None:
    policy = replace(POLICY, residency=frozenset({"eu"}))
    fleet = snapshot(
        live("here", residency=frozenset({"eu"})), live("there", residency=frozenset({"us"})), live("where")
    )
    decision = decide(fleet, policy, JUDGEMENT, NEEDS)
    assert [c.model.name for c in decision.ranked] == ["here"]
    assert [(c.verdict, c.detail) for c in decision.ruled_out] == [
        (Verdict.WRONG_RESIDENCY, "policy balanced wants eu, it is in us"),
        (Verdict.WRONG_RESIDENCY, "policy balanced wants eu, it is in no stated place"),
    ]


def test_the_cheapest_objective_takes_the_cheapest_above_the_bar_and_the_best_where_none_reaches_it() -> None:
    fleet = snapshot(
        live("small", quality=0.0, price=price(0.1, 0.2)),
        live("middle", quality=0.7, price=price(1, 2)),
        live("large", quality=1.0, price=price(5, 25)),
    )
    judgement = replace(JUDGEMENT, chances=Chances(0.4, 0.6, 0.9))
    policy = replace(POLICY, cheapest=True, second_value_micros=0.0)
    chosen = {
        bar: decide(fleet, replace(policy, min_quality=bar), judgement, NEEDS).ranked[0].model.name
        for bar in (0.3, 0.7, 0.85, 0.95)
    }
    assert chosen == {0.3: "small", 0.7: "middle", 0.85: "large", 0.95: "large"}
    shared = decide(fleet, replace(policy, min_quality_share=0.8), judgement, NEEDS)
    assert shared.ranked[0].model.name == "middle"
    assert "the cheapest above balanced's quality bar" in shared.reason


def test_a_session_stays_where_its_prompt_is_cached_until_leaving_pays() -> None:
    price_a = replace(price(4, 8), cache_read_micros_per_mtok=400_000)
    judgement = replace(JUDGEMENT, input_tokens=7_000, complexity=0.1)
    policy = replace(POLICY, second_value_micros=0.0)
    fleet = snapshot(live("a", price=price_a), live("b", price=price(1, 4)))
    fresh = decide(fleet, policy, judgement, NEEDS)
    stays = decide(fleet, policy, judgement, NEEDS, last=Last("p/a", 6_900))
    assert [fresh.ranked[0].model.name, stays.ranked[0].model.name] == ["b", "a"]
    assert stays.ranked[0].cached_tokens == 6_900
    assert "for it has the session's prompt cached" in stays.reason
    cheaper = snapshot(live("a", price=price_a), live("b", price=price(0.1, 0.4)))
    assert decide(cheaper, policy, judgement, NEEDS, last=Last("p/a", 6_900)).ranked[0].model.name == "b"


def test_the_stay_bonus_is_what_another_model_has_to_be_better_by() -> None:
    policy = replace(POLICY, stay_bonus_micros=500.0)
    fleet = snapshot(live("a", quality=0.70), live("b", quality=0.72))
    assert decide(fleet, policy, JUDGEMENT, NEEDS).ranked[0].model.name == "b"
    assert decide(fleet, policy, JUDGEMENT, NEEDS, last=Last("p/a", 0)).ranked[0].model.name == "a"
    much = snapshot(live("a", quality=0.70), live("b", quality=0.95))
    assert decide(much, policy, JUDGEMENT, NEEDS, last=Last("p/a", 0)).ranked[0].model.name == "b"


def test_a_verbose_model_is_expected_to_cost_more() -> None:
    fleet = snapshot(live("terse"), live("wordy", output_ratio=4.0))
    terse, wordy = decide(fleet, POLICY, JUDGEMENT, NEEDS).ranked
    assert (terse.model.name, wordy.model.name) == ("terse", "wordy")
    assert (terse.output_tokens, wordy.output_tokens) == (200, 801)
    assert wordy.cost > 3 * terse.cost
