"""What feedback teaches: in the right direction, within bounds, forgotten with time, and in the end the truth."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.response import Chances, response
from services.telemetry.ability import MOST_INTENTS, MOST_MODELS, MOST_OFFSET, PRIOR_DEVIATION, Abilities, Lesson

NOW_S = 1_700_000_000.0
DAY_S = 86_400.0
HALF_LIFE_S = 14 * DAY_S
MODEL = ("p", "m")

chance = st.floats(0, 1)
chances = st.builds(Chances, chance, chance, chance)
judgements = st.lists(
    st.tuples(st.sampled_from(["", "coding", "chat"]), chances, chance, st.floats(0.01, 1)), max_size=30
)


def taught(prior: float = 0.5, deviation: float = PRIOR_DEVIATION) -> Abilities:
    abilities = Abilities(HALF_LIFE_S)
    abilities.set_prior(MODEL, {"": prior}, deviation, NOW_S)
    return abilities


def learn(
    abilities: Abilities, intent: str, quality: float, of: Chances, weight: float = 1.0, at_s: float = NOW_S
) -> Lesson:
    return abilities.learn(MODEL, intent, response(of), quality, weight, at_s)


def test_nothing_is_known_at_first_and_the_doubt_is_the_priors() -> None:
    abilities = taught(deviation=0.3)
    assert abilities.offset(MODEL, "coding", NOW_S) == pytest.approx((0.0, 0.3, 0.0))
    assert abilities.offset(("p", "other"), "", NOW_S) == (0.0, PRIOR_DEVIATION, 0.0)


@given(judgements, chances, st.sampled_from(["", "coding"]))
def test_a_perfect_answer_never_lowers_an_ability_nor_a_useless_one_raises_it(
    before: list[tuple[str, Chances, float, float]], of: Chances, intent: str
) -> None:
    for quality, sign in ((1.0, 1.0), (0.0, -1.0)):
        abilities = taught()
        for judgement in before:
            learn(abilities, judgement[0], judgement[2], judgement[1], judgement[3])
        was = {i: abilities.offset(MODEL, i, NOW_S).mean for i in ("", "coding", "chat")}
        learn(abilities, intent, quality, of)
        for i, mean in was.items():
            assert sign * (abilities.offset(MODEL, i, NOW_S).mean - mean) >= 0.0


@given(chances, chance)
def test_feedback_moves_its_own_intent_more_than_others_and_narrows_it_more(of: Chances, quality: float) -> None:
    abilities = taught()
    learn(abilities, "coding", quality, of)
    own, others = abilities.offset(MODEL, "coding", NOW_S), abilities.offset(MODEL, "chat", NOW_S)
    assert abs(own.mean) >= abs(others.mean)
    assert own.mean == pytest.approx(2 * others.mean)
    assert own.deviation <= others.deviation <= PRIOR_DEVIATION
    assert (own.weight, abilities.offset(MODEL, "", NOW_S).weight) == (1.0, 1.0)


@given(chances, chances, chance, chance)
def test_the_order_of_two_judgements_hardly_matters(first: Chances, second: Chances, one: float, other: float) -> None:
    forward, backward = taught(), taught()
    learn(forward, "coding", one, first)
    learn(forward, "coding", other, second)
    learn(backward, "coding", other, second)
    learn(backward, "coding", one, first)
    a, b = forward.offset(MODEL, "coding", NOW_S), backward.offset(MODEL, "coding", NOW_S)
    assert abs(a.mean - b.mean) <= PRIOR_DEVIATION
    assert abs(a.deviation - b.deviation) <= PRIOR_DEVIATION / 2


@given(judgements, st.floats(0.01, 1))
def test_bounds_hold_under_any_judgements(given_: list[tuple[str, Chances, float, float]], deviation: float) -> None:
    abilities = taught(deviation=deviation)
    for intent, of, quality, weight in given_:
        before = abilities.offset(MODEL, intent, NOW_S)
        learn(abilities, intent, quality, of, weight)
        after = abilities.offset(MODEL, intent, NOW_S)
        assert abs(after.mean) <= MOST_OFFSET
        # One answer moves an ability by no more than its own deviation.
        assert abs(after.mean - before.mean) <= before.deviation + 1e-9
        assert 0.0 < after.deviation <= before.deviation + 1e-9


@given(judgements, chances, chance, st.floats(0, 60))
def test_a_lesson_that_is_taken_back_is_as_if_it_never_was(
    before: list[tuple[str, Chances, float, float]], of: Chances, quality: float, days: float
) -> None:
    with_it, without = taught(), taught()
    for abilities in (with_it, without):
        for intent, other, judged, weight in before:
            learn(abilities, intent, judged, other, weight)
    lesson = learn(with_it, "coding", quality, of)
    later_s = NOW_S + days * DAY_S
    with_it.unlearn(lesson, later_s)
    expected, found = without.offset(MODEL, "coding", later_s), with_it.offset(MODEL, "coding", later_s)
    assert found.mean == pytest.approx(expected.mean, abs=1e-6)
    assert found.weight == pytest.approx(expected.weight, abs=1e-6)
    assert found.deviation == pytest.approx(expected.deviation, abs=1e-6)


def test_what_was_learned_counts_half_after_the_half_life_and_is_gone_in_the_end() -> None:
    abilities = taught()
    learn(abilities, "coding", 1.0, Chances(0.2, 0.5, 0.8))
    fresh = abilities.offset(MODEL, "coding", NOW_S)
    half = abilities.offset(MODEL, "coding", NOW_S + HALF_LIFE_S)
    assert half.weight == pytest.approx(0.5)
    assert half.mean == pytest.approx(fresh.mean / 2, rel=0.05)
    assert fresh.deviation < half.deviation < PRIOR_DEVIATION
    gone = abilities.offset(MODEL, "coding", NOW_S + 60 * HALF_LIFE_S)
    assert gone == pytest.approx((0.0, PRIOR_DEVIATION, 0.0), abs=1e-9)


@given(st.lists(st.floats(-400 * DAY_S, 400 * DAY_S), min_size=1, max_size=10))
def test_a_clock_that_jumps_only_ever_fades_and_back_it_changes_nothing(jumps: list[float]) -> None:
    abilities = taught()
    learn(abilities, "coding", 1.0, Chances(0.2, 0.5, 0.8))
    now_s = NOW_S
    for jump_s in jumps:
        before = abilities.offset(MODEL, "coding", now_s)
        now_s += jump_s
        after = abilities.offset(MODEL, "coding", now_s)
        assert 0.0 <= after.mean <= before.mean
        assert after.deviation >= before.deviation - 1e-12
        if jump_s <= 0:
            assert after == before


def test_a_prior_that_the_operator_is_surer_of_moves_less() -> None:
    sure, unsure = taught(deviation=0.05), taught(deviation=0.4)
    for abilities in (sure, unsure):
        learn(abilities, "coding", 0.0, Chances(0.2, 0.5, 0.8))
    assert unsure.offset(MODEL, "coding", NOW_S).mean < 4 * sure.offset(MODEL, "coding", NOW_S).mean < 0


def test_models_and_intents_are_bounded_and_the_longest_untouched_make_room() -> None:
    abilities = Abilities(HALF_LIFE_S)
    of = response(Chances(0.2, 0.5, 0.8))
    for number in range(MOST_MODELS + 5):
        abilities.learn(("p", str(number)), "", of, 1.0, 1.0, NOW_S + number)
    assert len(abilities.models) == MOST_MODELS
    assert ("p", "0") not in abilities.models
    for number in range(MOST_INTENTS + 5):
        abilities.learn(("p", "9"), f"intent {number}", of, 1.0, 1.0, NOW_S + 10_000 + number)
    assert len(abilities.models["p", "9"].evidence) == MOST_INTENTS


def test_true_abilities_are_found_from_answers_within_two_deviations() -> None:
    """Models whose priors are wrong by what their deviations allow, judged right or wrong as the response curve draws it."""
    off = [z for seed in range(10) for z in simulate(random.Random(seed))]
    # Of a Gaussian, 95 in 100 are.
    assert sum(abs(z) <= 2 for z in off) >= 0.92 * len(off)
    assert abs(sum(off) / len(off)) < 0.25


def simulate(draw: random.Random) -> list[float]:
    """By how many deviations each learned ability is off."""
    prompts = [response(Chances(*of)) for of in ((0.25, 0.5, 0.8), (0.5, 0.7, 0.9), (0.1, 0.3, 0.6), (0.6, 0.62, 0.7))]
    abilities, truth = Abilities(HALF_LIFE_S), dict[tuple[tuple[str, str], str], float]()
    for number in range(8):
        model, prior = ("p", str(number)), draw.uniform(0.1, 0.9)
        shared = draw.gauss(0, PRIOR_DEVIATION / 2**0.5)
        abilities.set_prior(model, {"": prior}, PRIOR_DEVIATION, NOW_S)
        for intent in ("coding", "chat", "math"):
            truth[model, intent] = prior + shared + draw.gauss(0, PRIOR_DEVIATION / 2**0.5)
    for _ in range(150):
        for (model, intent), ability in truth.items():
            of = draw.choice(prompts)
            abilities.learn(model, intent, of, float(draw.random() < of.probability(ability)), 1.0, NOW_S)
    off = []
    for (model, intent), ability in truth.items():
        offset = abilities.offset(model, intent, NOW_S)
        assert offset.deviation < PRIOR_DEVIATION / 1.8
        off.append((abilities.models[model].priors[""] + offset.mean - ability) / offset.deviation)
    return off
