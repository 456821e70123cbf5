"""The fit finds a shift that is there, leaves alone what is not, and finds the same each time."""

import numpy as np
import pytest

from services.classifier.judgement import PromptFacts, Tier, judge
from services.classifier.manifest import ConfidenceCalibration, OutputLength, RightCalibration, TierManifest
from training.adapt.adaptation import Adaptation
from training.adapt.calibrate import fit_scale_and_shift
from training.adapt.crossfit import LEAST_ROWS, NO_CORRECTION, Correction, cross_fit, rank_texts
from training.adapt.figures import Figures, intent_figures, length_figures, right_figures
from training.adapt.heads import Head, fit_intents, fit_right, intent_chances
from training.adapt.lengths import fit_lengths, mixed_lengths
from training.adapt.logistic import Evidence, Matrix, fit, sigmoid_loss, softmax_loss

DIMENSIONS = 24
NO_ANCHORS = np.zeros((0, DIMENSIONS + 1))


def embeddings(random: np.random.Generator, rows: int) -> Matrix:
    found = random.normal(size=(rows, DIMENSIONS))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return np.hstack([found, np.ones((rows, 1))])


def outcomes(random: np.random.Generator, logits: Matrix) -> Matrix:
    return (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float64)


def evidence(seed: int, rows: int, shift: float) -> Evidence:
    """Outcomes whose logits lie `shift` times the first coordinate off the model's."""
    random = np.random.default_rng(seed)
    design, offset = embeddings(random, rows), random.normal(size=(rows, 1))
    target = outcomes(random, offset + shift * design[:, :1])
    return Evidence(design, offset, target, NO_ANCHORS, sigmoid_loss)


def nothing() -> None:
    return None


def test_the_fit_ends_at_the_minimum() -> None:
    random = np.random.default_rng(0)
    design, offset = embeddings(random, 200), random.normal(size=(200, 4))
    target = np.eye(4)[random.integers(0, 4, 200)]
    anchors = random.normal(size=(10, DIMENSIONS + 1))
    rows = Evidence(design, offset, target, anchors, softmax_loss)
    weights = fit(rows, 1.0)
    slope = softmax_loss(offset + design @ weights, target)[1]
    gradient = design.T @ slope + weights + anchors.T @ (anchors @ weights)
    assert np.abs(gradient).max() < 1e-3


def test_a_shift_is_recovered() -> None:
    rows = evidence(1, 3_000, shift=12.0)
    found = cross_fit(rows, np.arange(3_000))
    # Of a ridge's size, which pulls towards zero, and hardly in any other direction.
    assert 8 < found.weights[0, 0] < 14
    assert np.abs(found.weights[1:]).max() < 3
    assert rows.losses(found.weights).mean() < rows.losses(np.zeros_like(found.weights)).mean() - 0.05
    fresh = evidence(2, 3_000, shift=12.0)
    assert fresh.losses(found.weights).mean() < fresh.losses(np.zeros_like(found.weights)).mean() - 0.05


@pytest.mark.parametrize("seed", range(5))
def test_without_a_shift_the_correction_stays_near_zero(seed: int) -> None:
    rows = evidence(seed, 400, shift=0.0)
    found = cross_fit(rows, np.arange(400))
    assert np.abs(rows.design @ found.weights).mean() < 0.15


@pytest.mark.parametrize("rows", [1, 5, LEAST_ROWS, 30])
def test_with_few_rows_the_correction_stays_near_zero(rows: int) -> None:
    found = cross_fit(evidence(3, rows, shift=1.0), np.arange(rows))
    assert np.abs(found.weights).max() < 0.5
    if rows < LEAST_ROWS:
        assert found.strength == NO_CORRECTION


def test_anchors_hold_the_correction_where_the_rows_say_nothing() -> None:
    rows = evidence(4, 200, shift=0.0)
    # All outcomes are right and all rows alike: nothing tells whether that holds elsewhere.
    same = Evidence(
        np.repeat(rows.design[:1], 200, axis=0), rows.offset * 0, np.ones((200, 1)), NO_ANCHORS, sigmoid_loss
    )
    held = Evidence(same.design, same.offset, same.target, embeddings(np.random.default_rng(5), 50), sigmoid_loss)
    elsewhere = embeddings(np.random.default_rng(6), 100)
    free_move, held_move = (np.abs(elsewhere @ fit(e, 1.0)).mean() for e in (same, held))
    assert held_move < 0.5 * free_move
    assert (held.design @ fit(held, 1.0)).mean() > 1


def test_the_same_rows_give_the_same_bytes() -> None:
    found = [cross_fit(evidence(7, 300, shift=6.0), np.arange(300)) for _ in range(2)]
    assert found[0].weights.tobytes() == found[1].weights.tobytes()
    assert found[0].held_out.tobytes() == found[1].held_out.tobytes()


def test_equal_prompts_share_a_fold() -> None:
    assert rank_texts(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]


def test_an_outcome_that_only_its_own_prompt_tells_is_not_learned() -> None:
    random = np.random.default_rng(8)
    # Forty prompts asked ten times each, with an outcome that has nothing to do with their embedding.
    ranks = np.repeat(np.arange(40), 10)
    design, target = embeddings(random, 40)[ranks], outcomes(random, np.zeros((40, 1)))[ranks]
    head = fit_right(design, np.zeros((400, 1)), target, NO_ANCHORS, ranks, nothing)
    assert head.after.log_loss > head.before.log_loss - 0.05


def test_intents_learn_an_operators_own_word_for_them() -> None:
    random = np.random.default_rng(9)
    design = embeddings(random, 600)
    logits = np.zeros((600, 3))
    logits[:, 0] = 3.0
    intents = np.where(design[:, 0] > 0.1, 1, 0)
    head = fit_intents(design, logits, np.eye(3)[intents], NO_ANCHORS, np.arange(600), nothing)
    assert head.after.hits > head.before.hits + 0.15
    assert head.after.log_loss < head.before.log_loss - 0.3
    assert not head.worse


def test_a_head_that_does_worse_is_left_out_and_counts_against_the_whole() -> None:
    good, bad = Figures(0.9, 0.3, 0.01), Figures(0.7, 0.5, 0.05)
    moved = Correction(np.ones((2, 1)), np.ones((4, 1)), 1.0)

    def head(before: Figures, after: Figures, rows: int) -> Head:
        return Head(moved, 1.0, 0.0, False, np.ones((rows, 1)), rows, before, after)

    better, worse = (Tier.FAST, "small"), (Tier.ENCODER, "small")
    found = Adaptation({better: head(bad, good, 300), worse: head(good, bad, 100)}, None)
    assert found.log_loss_change == pytest.approx((-0.2 * 300 + 0.2 * 100) / 400)
    assert set(found.without_worse().heads) == {better}
    alone = Adaptation({worse: head(good, bad, 100)}, None)
    assert alone.log_loss_change == pytest.approx(0.2)
    assert not alone.without_worse().changed


def test_overconfidence_is_calibrated_away() -> None:
    random = np.random.default_rng(10)
    truth = random.normal(size=(2_000, 1))
    scale, shift = fit_scale_and_shift(4 * truth + 2, outcomes(random, truth))
    assert 0.2 < scale < 0.3
    assert -0.65 < shift < -0.35


def test_lengths_follow_the_answers_of_their_intent_alone() -> None:
    random = np.random.default_rng(11)
    old = [OutputLength(base=100, per_input_token=0, spread=0.6)] * 2
    share = np.eye(2)[np.zeros(300, dtype=np.int64)]
    tokens = np.full(300, 50, dtype=np.int64)
    logs = np.log(20) + 0.3 * random.normal(size=300)
    first, second = fit_lengths(old, share, tokens, logs)
    assert 18 < first.base < 24
    assert 0.25 < first.spread < 0.5
    assert (second.base, second.spread) == (100, 0.6)
    few, _ = fit_lengths(old, share[:2], tokens[:2], logs[:2])
    assert few.base > 70


def test_lengths_are_mixed_as_the_service_mixes_them() -> None:
    lengths = [
        OutputLength(base=100, per_input_token=1, spread=0.4),
        OutputLength(base=900, per_input_token=0, spread=0.7),
    ]
    logits = np.array([[0.3, -0.2]], dtype=np.float32)
    part = TierManifest(
        file="a.onnx",
        intent_temperature=1.0,
        right=[RightCalibration(scale=1, shift=0)] * 3,
        confidence=ConfidenceCalibration(intercept=0, margin=1, support_midpoint=0, support_scale=1),
    )
    facts = PromptFacts(input_tokens=40, language_code="", script_code="Latn", known_share=1.0)
    found = judge(Tier.FAST, logits[0], np.zeros(3, np.float32), None, (), facts, part, ["a", "b"], lengths)
    mean, deviation = mixed_lengths(lengths, intent_chances(logits.astype(np.float64)), np.array([40]))
    assert found.output_tokens.p50 == round(float(np.exp(mean[0])))
    assert found.output_tokens.p90 == round(float(np.exp(mean[0] + 1.2816 * deviation[0])))


def test_figures_mean_what_they_say() -> None:
    half = intent_figures(np.array([[0.5, 0.5], [0.5, 0.5]]), np.eye(2))
    assert [half.hits, half.log_loss, half.ece] == pytest.approx([0.5, np.log(2), 0.0])
    wrong = right_figures(np.array([0.9, 0.9]), np.array([0.0, 1.0]))
    assert [wrong.hits, wrong.ece] == pytest.approx([0.41, 0.4])
    lengths = length_figures(np.zeros(4), np.array([0.0, 0.5, -0.5, 3.0]), np.ones(4))
    assert (lengths.error, lengths.covered) == (0.5, 0.75)
