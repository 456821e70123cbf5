"""What `make bench-routing` counts: costs, shares, the oracle, areas, thresholds and abilities, on outcomes that are known."""

from dataclasses import replace

import numpy as np
import pytest

from bench.routing import accounts, day, day_world, deciding, pairs
from bench.routing.abilities import by_feedback, chances, directly, picks_at
from bench.routing.day_router import Known
from bench.routing.outcomes import PROVIDER, Recorded, decide, shipped_routing, snapshot
from pointsman.config.catalogue import Model, Price
from pointsman.response import Chances
from services.router.candidates import Ability, Judgement, Needs
from services.router.choice import Asked
from services.router.policy import Policy

HARD, EASY = Chances(0.1, 0.5, 0.9), Chances(0.9, 0.93, 0.95)


def _model(name: str, dollars: float) -> Model:
    price = Price(*[round(dollars * 1e6)] * 4)
    return Model(PROVIDER, name, frozenset(), 100_000, 10_000, price, 0.0, {}, 0.5, 50.0)


def _recorded(scores: list[list[float]], *, intents: str = "", lengths: list[int] | None = None) -> Recorded:
    """Prompts of 100 tokens and answers of 900 for a small model at $1 and a large one at $10 per million tokens."""
    asked = tuple(
        Asked(str(row), Judgement(intents[row : row + 1] or "code", 0.8, 100, 900, chances=HARD), Needs())
        for row in range(len(scores))
    )
    return Recorded(
        asked,
        tuple("a" if row % 2 else "b" for row in range(len(scores))),
        np.array(lengths or [100] * len(scores), dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.tile([0.001, 0.01], (len(scores), 1)),
        (_model("small-7b", 1.0), _model("large-70b", 10.0)),
    )


def test_an_account_has_mean_score_cost_and_shares_of_its_picks() -> None:
    rows = _recorded([[1, 0], [0, 1], [0, 0.5], [1, 1]])
    found = accounts.account(rows, np.array([0, 1, 1, 0]))
    assert found.accuracy == pytest.approx(3.5 / 4)
    assert found.cost_per_1k == pytest.approx(1_000 * (0.001 + 0.01 + 0.01 + 0.001) / 4)
    assert found.share == {"small-7b": 0.5, "large-70b": 0.5}


def test_random_is_the_mean_over_all_models() -> None:
    found = accounts.at_random(_recorded([[1, 0], [0, 1], [0, 1], [0, 1]]))
    assert found.accuracy == pytest.approx(0.5)
    assert found.cost_per_1k == pytest.approx(5.5)


def test_the_oracle_takes_the_best_and_of_equals_the_cheapest() -> None:
    found = accounts.oracle(_recorded([[1, 1], [0, 1], [0, 0], [0.2, 0.3]]))
    assert found.accuracy == pytest.approx((1 + 1 + 0 + 0.3) / 4)
    assert found.share == {"small-7b": 0.5, "large-70b": 0.5}


def test_a_length_threshold_is_chosen_on_train_alone() -> None:
    train = _recorded([[1, 0], [1, 0], [0, 1], [0, 1]], lengths=[10, 20, 30, 40])
    test = _recorded([[1, 0], [1, 0]], lengths=[29, 30])
    assert accounts.by_length(train, test, small=0, large=1).share == {"small-7b": 0.5, "large-70b": 0.5}


def test_prompts_of_one_length_stay_together() -> None:
    train = _recorded([[1, 0], [0, 1], [1, 0], [1, 0]], lengths=[10, 10, 10, 10])
    assert accounts.by_length(train, train, small=0, large=1).share == {"small-7b": 1.0}


def test_each_task_gets_its_best_model_of_train() -> None:
    rows = _recorded([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert accounts.by_task(rows, rows).accuracy == 1.0


def test_the_area_is_the_mean_accuracy_over_the_costs() -> None:
    assert accounts.area([(0.0, 0.2), (10.0, 0.8)], 0.0, 10.0) == pytest.approx(0.5)
    # Before the first point and after the last, nothing changes.
    assert accounts.area([(5.0, 0.4)], 0.0, 10.0) == pytest.approx(0.4)
    assert accounts.area([(10.0, 0.8), (0.0, 0.2), (5.0, 0.8)], 0.0, 10.0) == pytest.approx(0.65)


def test_mixing_single_models_is_their_upper_hull() -> None:
    points = [(1.0, 0.2), (2.0, 0.3), (3.0, 0.6), (4.0, 0.5)]
    assert accounts.mixed(points) == [(1.0, 0.2), (3.0, 0.6)]


@pytest.mark.parametrize("fit", [by_feedback, lambda rows: directly(rows, 0.4)])
def test_abilities_follow_the_scores_by_intent(fit: object) -> None:
    assert callable(fit)
    rng = np.random.default_rng(0)
    # The small model is good at c and bad at m; the large one the other way round.
    intents = "".join(rng.choice(["c", "m"], 400))
    scores = [[float(i == "c"), float(i == "m")] if rng.random() < 0.9 else [0.5, 0.5] for i in intents]
    found = fit(_recorded(scores, intents=intents))
    small, large = found[f"{PROVIDER}/small-7b"], found[f"{PROVIDER}/large-70b"]
    assert small["c"].mean > large["c"].mean + 0.3
    assert large["m"].mean > small["m"].mean + 0.3


def test_what_is_counted_in_bulk_is_what_the_router_decides() -> None:
    rows = _recorded([[0, 0]] * 60)
    rng = np.random.default_rng(1)
    asked = tuple(
        replace(one, judgement=replace(one.judgement, chances=Chances(*rng.uniform(0.03, 0.97, 3).tolist())))
        for one in rows.asked
    )
    rows = replace(rows, asked=asked)
    abilities = {m.reference: {"": Ability(a, 0.1)} for m, a in zip(rows.models, (-0.3, 0.9), strict=True)}
    for value in (0.001, 0.02, 0.1):
        picks = decide(snapshot(rows.models, abilities), Policy("p", success_value_micros=value * 1e6), rows.asked)
        expected = chances(rows, abilities)
        assert picks.columns.tolist() == picks_at(expected, rows.dollars, value).tolist()
        assert picks.expected == pytest.approx(expected[np.arange(60), picks.columns])


def test_the_prompt_that_gains_most_reaches_the_strong_model_first() -> None:
    judged = [Judgement("code", 0.5, 100, 100, chances=c) for c in (EASY, HARD, Chances(0.5, 0.5, 0.5))]
    easy, hard, alike = pairs.turning_points(judged)
    assert hard < easy < pairs.HIGHEST < alike


def test_a_long_prompt_has_to_gain_more() -> None:
    judged = [Judgement("code", 0.5, tokens, tokens, chances=HARD) for tokens in (100, 1_000)]
    short, long = pairs.turning_points(judged)
    # Ten times the cost needs ten times the worth.
    assert long - short == pytest.approx(1.0, abs=0.01)


def test_fifty_models_are_decided_among_with_rules_and_a_canary() -> None:
    shipped = shipped_routing([live.model.reference for live in deciding.fleet().models])
    found = deciding.measure(deciding.busy_routing(shipped, explore=0.05), rounds=50)
    assert 0 < found.p50 <= found.p99


def _world(requests: int = 400) -> day_world.World:
    return day_world.make(
        [Judgement("code", 0.8, 100, 200, chances=HARD), Judgement("chat", 0.1, 20, 60, chances=EASY)], requests
    )


def test_a_day_is_the_same_each_time_and_busier_in_the_afternoon() -> None:
    one, again = _world(), _world()
    assert (one.chance == again.chance).all()
    hours = one.at_s / 3_600
    assert ((hours > 12) & (hours < 20)).sum() > 2 * (hours < 8).sum()


def test_a_day_bills_what_answered_at_the_price_of_the_hour() -> None:
    world = _world()
    column = next(i for i, model in enumerate(world.models) if model.name == "medium-c")
    lived = day.live(world, day.fixed([column]))
    price = world.models[column].price
    usual = [
        price.cost_micros(one.input_tokens, int(tokens)) / 1e6
        for one, tokens in zip(world.judged, world.length[:, column].tolist(), strict=True)
    ]
    dear = (world.at_s >= 10 * 3_600) & (world.at_s < 13 * 3_600)
    assert lived.dollars[~dear] == pytest.approx(np.array(usual)[~dear])
    assert lived.dollars[dear].sum() == pytest.approx(6 * np.array(usual)[dear].sum(), rel=0.02)


def test_a_request_goes_on_to_the_next_model_in_an_outage() -> None:
    world = _world()
    down = next(i for i, model in enumerate(world.models) if model.name == "medium-a")
    lived = day.live(world, day.fixed([down, 0]))
    out = (world.at_s >= 8 * 3_600) & (world.at_s < 9 * 3_600)
    assert set(lived.columns[out].tolist()) == {0}
    # While health says that it is down, nobody asks it.
    assert lived.failed_attempts <= 3
    assert (lived.columns[~out] == down).mean() > 0.9


def test_where_nothing_answers_nothing_is_paid_and_nothing_is_right() -> None:
    world = _world()
    down = next(i for i, model in enumerate(world.models) if model.name == "medium-a")
    lived = day.live(world, day.fixed([down]))
    none = lived.columns < 0
    assert none.any()
    assert not lived.dollars[none].any()
    assert not lived.chance[none].any()


def test_the_router_of_the_day_learns_from_what_clients_say() -> None:
    world = _world()
    known = Known(world)
    before = known.believed(0, "code")
    for _ in range(20):
        known.taught(0, world.judged[0], right=False, at_s=60.0)
    assert known.believed(0, world.judged[0].intent) < before
