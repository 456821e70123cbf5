"""Rules, experiments, exploration and shadows, as requests meet them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.candidates import LiveModel, Verdict
from services.router.choice import Asked, Routing, choose
from services.router.experiments import Experiment
from services.router.policy import Policy
from services.router.rules import Rule, When
from tests.unit.routing import JUDGEMENT, NEEDS, POLICY, live, price, snapshot
from tests.unit.test_router_decision import ALL_NEEDS, CHEAPEST, JUDGEMENTS, fleets

GOOD, CHEAP = live("good", quality=1.0, price=price(5, 20)), live("cheap", quality=0.2, price=price(0.1, 0.2))
FLEET = snapshot(GOOD, CHEAP)
ASKED = Asked("r1", JUDGEMENT, NEEDS)
QUICK = replace(POLICY, name="quick", second_value_micros=50_000.0)


def routing(*policies: Policy, **parts: Any) -> Routing:
    named = {policy.name: policy for policy in (POLICY, *policies)}
    return Routing(named, "balanced", **parts)


def chosen(routing: Routing, asked: Asked = ASKED) -> str:
    return choose(routing, FLEET, asked).decision.ranked[0].model.name


@pytest.mark.parametrize(
    ("when", "asked", "holds"),
    [
        (When(), ASKED, True),
        (When(intents=frozenset({"code", "math"})), ASKED, True),
        (When(intents=frozenset({"math"})), ASKED, False),
        (When(tags=frozenset({"a", "b"})), replace(ASKED, tags=frozenset({"b", "c"})), True),
        (When(tags=frozenset({"a"})), ASKED, False),
        (When(tenants=frozenset({"acme"})), replace(ASKED, tenant="acme"), True),
        (When(metadata={"team": "*"}), replace(ASKED, metadata={"team": "x"}), True),
        (When(metadata={"team": "y"}), replace(ASKED, metadata={"team": "x"}), False),
        (When(metadata={"team": "*"}), ASKED, False),
        (When(data_classes=frozenset({"secret"})), replace(ASKED, needs=replace(NEEDS, data_class="secret")), True),
        (
            When(routes=frozenset({"law"})),
            replace(ASKED, judgement=replace(JUDGEMENT, routes=frozenset({"law"}))),
            True,
        ),
        (When(languages=frozenset({"de"})), replace(ASKED, judgement=replace(JUDGEMENT, language="de")), True),
        (When(policies=frozenset({"quick"})), ASKED, False),
        (When(min_input_tokens=100, max_input_tokens=100), ASKED, True),
        (When(min_input_tokens=101), ASKED, False),
        (When(max_input_tokens=99), ASKED, False),
        (When(min_complexity=0.4, max_complexity=0.6), ASKED, True),
        (When(min_complexity=0.6), ASKED, False),
        (When(intents=frozenset({"code"}), tenants=frozenset({"acme"})), ASKED, False),
    ],
)
def test_a_rule_holds_where_every_part_of_its_condition_does(when: When, asked: Asked, holds: bool) -> None:
    choice = choose(routing(rules=(Rule("r", when, preferred=frozenset({"p/good"})),)), FLEET, asked)
    assert (choice.rule is not None) is holds


def test_the_first_rule_that_holds_applies() -> None:
    rules = (
        Rule("no", When(intents=frozenset({"math"})), preferred=frozenset({"p/cheap"})),
        Rule("yes", When(), preferred=frozenset({"p/cheap"})),
        Rule("late", When(), preferred=frozenset({"p/good"})),
    )
    choice = choose(routing(rules=rules), FLEET, ASKED)
    assert choice.rule is rules[1]
    assert choice.decision.ranked[0].model.name == "cheap"
    assert "rule 'yes'" in choice.decision.reason


def test_a_rule_prefers_and_a_strict_one_insists() -> None:
    hard = replace(ASKED, judgement=replace(JUDGEMENT, complexity=0.95))
    assert chosen(routing(), hard) == "good"
    lenient = Rule("r", When(), preferred=frozenset({"p/cheap"}))
    assert [c.model.name for c in choose(routing(rules=(lenient,)), FLEET, hard).decision.ranked] == ["cheap", "good"]
    strict = choose(routing(rules=(replace(lenient, strict=True),)), FLEET, hard).decision
    assert [c.model.name for c in strict.ranked] == ["cheap"]
    assert (strict.ruled_out[0].verdict, strict.ruled_out[0].detail) == (
        Verdict.EXCLUDED_BY_RULE,
        "rule 'r' wants others",
    )


def test_where_none_that_a_rule_prefers_can_serve_the_others_do() -> None:
    rule = Rule("r", When(), preferred=frozenset({"p/cheap"}))
    down = snapshot(GOOD, replace(CHEAP, unavailable="it is down"))
    assert choose(routing(rules=(rule,)), down, ASKED).decision.ranked[0].model.name == "good"


def test_a_rule_may_hand_over_to_another_policy() -> None:
    fleet = snapshot(live("slow", quality=1.0, first_token_s=5.0), live("fast", quality=0.2, first_token_s=0.1))
    rule = Rule("rapid synthesis", When(tags=frozenset({"rapid"})), policy="quick")
    rapid = choose(routing(QUICK, rules=(rule,)), fleet, replace(ASKED, tags=frozenset({"rapid"})))
    assert (rapid.policy.name, rapid.decision.ranked[0].model.name) == ("quick", "fast")
    assert choose(routing(QUICK, rules=(rule,)), fleet, ASKED).decision.ranked[0].model.name == "slow"


def split(*arms: tuple[str, float], name: str = "try") -> Experiment:
    return Experiment(name, When(), arms)


def test_an_experiment_sends_its_share_to_each_arm() -> None:
    routed = routing(splits=(split(("p/cheap", 0.2), ("p/good", 0.3)),))
    hard = replace(JUDGEMENT, complexity=0.95)
    choices = [choose(routed, FLEET, Asked(f"r{i}", hard, NEEDS)).decision for i in range(4_000)]
    counted = Counter((d.experiment, d.ranked[0].model.name) for d in choices)
    shares = {key: count / 4_000 for key, count in counted.items()}
    assert shares == pytest.approx({("try", "cheap"): 0.2, ("try", "good"): 0.3, ("", "good"): 0.5}, abs=0.03)
    told = {d.ranked[0].model.name: d.propensity for d in choices}
    assert told == pytest.approx({"cheap": 0.2, "good": 0.8})


def test_a_session_stays_in_its_arm_and_a_raised_share_moves_nobody_out_of_it() -> None:
    narrow, wide = routing(splits=(split(("p/cheap", 0.1)),)), routing(splits=(split(("p/cheap", 0.4)),))
    for session in range(1, 300):
        asked = [Asked(f"r{session}-{turn}", JUDGEMENT, NEEDS, session=session) for turn in range(3)]
        arms = {choose(narrow, FLEET, one).decision.experiment for one in asked}
        assert len(arms) == 1
        if arms == {"try"}:
            assert choose(wide, FLEET, asked[0]).decision.experiment == "try"


def test_two_experiments_draw_independently() -> None:
    one, two = (routing(splits=(split(("p/cheap", 0.5), name=name),)) for name in ("one", "two"))
    asked = [Asked(f"r{i}", JUDGEMENT, NEEDS) for i in range(2_000)]
    both = [(choose(one, FLEET, a).decision.experiment, choose(two, FLEET, a).decision.experiment) for a in asked]
    assert Counter(both)[("one", "two")] / 2_000 == pytest.approx(0.25, abs=0.04)


def test_an_arm_that_cannot_serve_is_no_arm_and_a_pin_beats_an_experiment() -> None:
    routed = routing(splits=(split(("p/cheap", 1.0)),))
    down = snapshot(GOOD, replace(CHEAP, unavailable="it is down"))
    decision = choose(routed, down, ASKED).decision
    assert (decision.ranked[0].model.name, decision.experiment, decision.propensity) == ("good", "", 1.0)
    pinned = choose(routed, FLEET, replace(ASKED, needs=replace(NEEDS, pinned="p/good"))).decision
    assert (pinned.ranked[0].model.name, pinned.experiment) == ("good", "")


def test_exploration_tries_what_may_be_better_as_often_as_it_says() -> None:
    fleet = snapshot(
        live("a", quality=0.7, doubt=0.1), live("b", quality=0.65, doubt=0.3), live("c", quality=-1.0, doubt=0.05)
    )
    routed = Routing({"balanced": replace(POLICY, explore=0.5)}, "balanced")
    decisions = [choose(routed, fleet, Asked(f"r{i}", JUDGEMENT, NEEDS)).decision for i in range(4_000)]
    counted = Counter(d.ranked[0].model.name for d in decisions)
    told = {d.ranked[0].model.name: d.propensity for d in decisions}
    assert {name: count / 4_000 for name, count in counted.items()} == pytest.approx(told, abs=0.03)
    assert 0.1 < told["b"] < 0.3
    assert "c" not in counted
    explored = next(d for d in decisions if d.explored)
    assert explored.reason == "explored, since it may be better than p/a; 50% of the requests are drawn so"


@given(
    fleets(), CHEAPEST, st.floats(0, 1), JUDGEMENTS, ALL_NEEDS, st.integers(0, 99), st.floats(0, 0.5), st.floats(0, 0.5)
)
def test_the_odds_of_all_candidates_add_up_to_one_and_the_first_knows_its_own(
    fleet: Sequence[LiveModel], policy: Policy, explore: float, judgement: Any, needs: Any, n: int, one: float, two: float
) -> None:  # fmt: skip
    routed = Routing(
        {"balanced": replace(policy, explore=explore)}, "balanced", splits=(split(("p/m0", one), ("p/m1", two)),)
    )
    decision = choose(routed, snapshot(*fleet), Asked(f"r{n}", judgement, needs)).decision
    if decision.ranked:
        assert sum(c.propensity for c in decision.ranked) == pytest.approx(1)
        assert decision.propensity == decision.ranked[0].propensity > 0
    else:
        assert decision.propensity == 0


def test_shadows_get_their_share_but_never_the_chosen_model_or_one_that_may_not_see_the_prompt() -> None:
    shadow = Experiment("watch", When(), (("p/cheap", 0.25),), shadow=True)
    hard = replace(JUDGEMENT, complexity=0.95)
    copies = [choose(routing(shadows=(shadow,)), FLEET, Asked(f"r{i}", hard, NEEDS)).shadows for i in range(2_000)]
    assert sum(map(bool, copies)) / 2_000 == pytest.approx(0.25, abs=0.03)
    assert {reference for c in copies for _, reference in c} == {"p/cheap"}
    same = replace(shadow, arms=(("p/good", 1.0),))
    assert choose(routing(shadows=(same,)), FLEET, replace(ASKED, judgement=hard)).shadows == ()
    kept = replace(POLICY, self_hosted_for=frozenset({"*"}))
    home = snapshot(replace(GOOD, model=replace(GOOD.model, self_hosted=True)), CHEAP)
    always = replace(shadow, arms=(("p/cheap", 1.0),))
    assert choose(Routing({"balanced": kept}, "balanced", shadows=(always,)), home, ASKED).shadows == ()


def test_a_policy_that_a_reload_took_away_stands_for_the_default() -> None:
    assert choose(routing(), FLEET, replace(ASKED, policy="gone")).policy.name == "balanced"


def test_a_model_that_recovers_takes_its_share_of_the_requests_and_all_of_them_where_it_is_the_only_one() -> None:
    recovers = replace(GOOD, admits=0.25)
    hard = replace(JUDGEMENT, complexity=0.95)
    asked = [Asked(f"r{i}", hard, NEEDS) for i in range(2_000)]
    chosen_names = Counter(choose(routing(), snapshot(recovers, CHEAP), a).decision.ranked[0].model.name for a in asked)
    assert chosen_names["good"] / 2_000 == pytest.approx(0.25, abs=0.03)
    told = next(d for a in asked if (d := choose(routing(), snapshot(recovers, CHEAP), a).decision).ruled_out)
    assert (told.ruled_out[0].verdict, told.ruled_out[0].detail) == (
        Verdict.CIRCUIT_OPEN,
        "it recovers from an outage and takes 25% of the requests",
    )
    assert all(choose(routing(), snapshot(recovers), a).decision.ranked for a in asked[:100])
    sessions = {
        choose(routing(), snapshot(recovers, CHEAP), replace(a, session=7)).decision.ranked[0].model.name
        for a in asked[:50]
    }
    assert len(sessions) == 1


def test_where_every_circuit_is_open_the_best_is_tried_rather_than_nobody() -> None:
    resting = [replace(live, circuit="it failed too often") for live in (GOOD, CHEAP)]
    hard = replace(ASKED, judgement=replace(JUDGEMENT, complexity=0.95))
    decision = choose(routing(), snapshot(*resting), hard).decision
    assert [c.model.name for c in decision.ranked] == ["good", "cheap"]
    one_well = choose(routing(), snapshot(resting[0], CHEAP), hard).decision
    assert [c.model.name for c in one_well.ranked] == ["cheap"]
    pinned = choose(routing(), snapshot(*resting), replace(hard, needs=replace(NEEDS, pinned="p/good"))).decision
    assert not pinned.ranked
    down = choose(routing(), snapshot(replace(GOOD, unavailable="it is down"), resting[1]), hard).decision
    assert [c.model.name for c in down.ranked] == ["cheap"]
