"""What `make bench-classifier` counts: routes that stay, bins, picks within a price, bars."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from bench.classifier import figures, multi_model, robustness
from bench.classifier.data import STRONG, WEAK, DataMissing, load
from bench.classifier.latency import Latency, Times
from bench.classifier.mmlu import recovered
from bench.classifier.predictors import nearest, ridge
from bench.classifier.reliability import reliability
from bench.classifier.report import read_report
from bench.classifier.texts import Words
from bench.classifier.throughput import Load, Throughput
from bench.classifier.trade_off import shortened
from services.classifier.model import SHIPPED_MODELS, ClassifierModel

PROMPT = "Why is the sky blue?\n    def f(x): return x"


def _write(directory: Path, name: str, rows: list[object]) -> None:
    with gzip.open(directory / name, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def _folder(directory: Path) -> Path:
    questions = [
        {"prompt": f"{split} {weak}", "subject": "law", "split": split, "correct": {WEAK: weak, STRONG: True}}
        for split in ("train", "test", "duplicate")
        for weak in (False, True)
    ]
    _write(directory, "mmlu_pairs.jsonl.gz", list(questions))
    rows = [
        {"prompt": prompt, "task": "t", "split": split, "score": {"b": 1.0, "a": 0.0}}
        for prompt, split in (("only train", "train"), ("both", "train"), ("both", "test"))
    ]
    _write(directory, "multi_model.jsonl.gz", list(rows))
    prices = {name: {"input_price": price, "output_price": 2 * price} for name, price in (("a", 0.2), ("b", 0.9))}
    (directory / "multi_model_prices.json").write_text(json.dumps(prices), "utf-8")
    return directory


def test_only_the_test_split_of_the_questions_is_measured(tmp_path: Path) -> None:
    data = load(_folder(tmp_path))
    assert data.mmlu.prompts == ("test False", "test True")
    assert data.mmlu.weak.tolist() == [False, True]


def test_train_prompts_that_stand_in_the_test_split_are_left_out(tmp_path: Path) -> None:
    data = load(_folder(tmp_path))
    assert data.train.prompts == ("only train",)
    assert data.repeated == 1
    assert data.train.models == ("a", "b")
    assert data.train.scores.tolist() == [[0.0, 1.0]]
    assert data.train.price.tolist() == [[0.2, 0.4], [0.9, 1.8]]


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"mmlu_pairs\.jsonl\.gz is missing: pass --data DIR or set POINTSMAN_DATA"):
        load(tmp_path)


def test_typos_hit_three_letters_in_a_hundred_and_at_least_one() -> None:
    text = "abcdefghij " * 100
    changed = robustness.typos(text, random.Random(1))
    assert changed == robustness.typos(text, random.Random(1)) != text
    # Each of the 30 drops one, doubles one or leaves their number.
    assert abs(len(changed) - len(text)) <= 30
    assert sorted(set(changed)) == sorted(set(text))
    assert robustness.typos("12 + 3 = ?", random.Random(1)) == "12 + 3 = ?"
    assert robustness.typos("word", random.Random(1)) != "word"


def test_white_space_alone_is_added() -> None:
    spaced = robustness.spaced(PROMPT)
    assert spaced != PROMPT
    assert spaced.split() == PROMPT.split()
    assert "\n    def" in spaced


def test_a_route_stays_on_its_side_of_the_clean_prompts_threshold() -> None:
    before = np.arange(10) / 10
    assert robustness.same_route(before, before, 0.3) == 1.0
    after = before.copy()
    after[9] = 0.0
    assert robustness.same_route(before, after, 0.3) == 0.9
    # All of them harder: the seven that went to the weak model leave it, as the threshold is not fitted again.
    assert robustness.same_route(before, before + 1, 0.3) == pytest.approx(0.3)


def test_chances_that_come_true_have_no_calibration_error() -> None:
    chance = np.repeat([0.25, 0.75], 400)
    truth = np.concatenate([np.arange(400) < 100, np.arange(400) < 300])
    assert reliability(chance, truth).ece == pytest.approx(0.0)
    sure = reliability(np.ones(10), np.arange(10) < 6)
    assert sure.ece == pytest.approx(0.4)
    assert sure.prompts == (10,)


def test_the_gap_is_recovered_in_the_order_of_the_score() -> None:
    weak, strong = np.array([False, True, True, True]), np.array([True, True, True, True])
    best = recovered(np.array([9.0, 1.0, 2.0, 3.0]), weak, strong)
    assert best[0] == 0.0
    assert best[25] == best[100] == 1.0
    worst = recovered(np.array([0.0, 1.0, 2.0, 3.0]), weak, strong)
    assert worst[75] == 0.0


def test_worth_of_money_moves_the_pick_to_the_cheaper_model() -> None:
    expected, cost = np.array([[0.5, 0.6]]), np.array([[1.0, 10.0]])
    assert multi_model.pick(expected, cost, 0.0).tolist() == [1]
    assert multi_model.pick(expected, cost, 0.02).tolist() == [0]


def test_the_price_falls_only_while_the_best_single_models_accuracy_is_kept() -> None:
    rng = np.random.default_rng(0)
    easy = rng.random(400) < 0.5
    # The cheap model does the easy half as well as the dear one; the predictions know which half that is.
    scores = np.stack([easy, np.ones(400)], axis=1).astype(np.float64)
    cost = np.tile([0.1, 1.0], (400, 1))
    worth = multi_model.lambda_at_best_single(scores, scores, cost, best=1)
    picks = multi_model.pick(scores, cost, worth)
    assert scores[np.arange(400), picks].mean() == 1.0
    assert (picks == 0).mean() == easy.mean()


def test_predictors_find_a_pattern_again() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = np.stack([rows[:, 0] > 0, rows[:, 0] < 0], axis=1).astype(np.float64)
    asked = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    for found in (nearest(rows, scores, asked, 20, 0.1), ridge(rows, scores, asked, 1.0)):
        assert found.argmax(axis=1).tolist() == [0, 1]


def test_made_up_prompts_have_the_length_that_was_asked_for() -> None:
    model = ClassifierModel(SHIPPED_MODELS, threads=1, with_encoder=False)
    words = Words.of(SHIPPED_MODELS / model.manifest.tokenizer.file)
    for tokens in (8, 32, 128):
        text = words.text(tokens, np.random.default_rng(tokens))
        assert len(model.prepare(text).token_ids) == tokens


def test_each_bar_reads_a_figure_of_the_published_form() -> None:
    found = {
        "mmlu": {"apgr": 0.71, "cpt50": 26.0, "cpt80": 55.0},
        "multi_model": {"accuracy": 0.62, "price_share": 0.2},
        "intent": {"macro_f1": None},
        "calibration": {"intent_ece": 0.02, "right_ece": 0.05},
        "robustness": {"typos": 0.94, "polite": 0.95, "lower": 1.0, "space": 0.999},
        "latency_ms": {"fast_p50": 0.7, "fast_p99": 1.0, "encoder32_p50": 3.0, "encoder128_p50": 8.0},
        "throughput_per_s": {"encoder": 301.0, "fast": 1999.0},
        "rss_mb": 150.0,
    }
    held = figures.held(found)
    missed = {name for name, holds in held.items() if holds is False}
    assert missed == {"mmlu.cpt80", "calibration.right_ece", "robustness.space", "throughput_per_s.fast"}
    assert [name for name, holds in held.items() if holds is None] == ["intent.macro_f1"]


def test_a_time_that_never_came_is_written_as_null() -> None:
    times = Times(1.0, 2.0)
    latency = Latency(times, times, times, {32: times, 128: times}, {32: times}, 150.0)
    late = Throughput({64: Load(10.0, float("inf"), 0.0)}, None)
    kept = Throughput({64: Load(900.0, 20.0, 0.0)}, Load(800.0, 20.0, 0.0))
    found = figures.service_figures(latency, {"encoder": late, "auto": late, "fast": kept})
    assert found["throughput_per_s"] == {"encoder": 0.0, "fast": 800.0}
    assert "Infinity" not in json.dumps(found)
    assert found["throughput_details"]["auto"]["closed"]["64"]["p99_ms"] is None


def test_without_a_report_the_manifest_tells_of_the_one_training(tmp_path: Path) -> None:
    metrics = {"encoder": {"intent_macro_f1": 0.8, "intent_ece": 0.02, "right_ece": {"small": 0.01, "medium": 0.04}}}
    report = read_report(tmp_path, metrics)
    assert report.number("intent", "macro_f1") == 0.8
    assert report.number("mmlu", "apgr") is None
    told = figures.calibration_figures(None, report)
    assert told["calibration"] == {"intent_ece": 0.02, "right_ece": 0.04}


def test_the_report_goes_before_what_one_model_has(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"mmlu": {"apgr": 0.7, "cpt50": 26, "cpt80": 53}}), "utf-8")
    quality = figures.quality_figures(None, None, read_report(tmp_path, {}))
    assert quality["mmlu"] == {"apgr": 0.7, "cpt50": 26.0, "cpt80": 53.0}


def test_a_shorter_window_keeps_head_and_tail() -> None:
    ids = list(range(128))
    short = shortened(ids, 32)
    assert len(short) == 32
    assert (short[:5], short[-5:]) == (ids[:5], ids[-5:])
    assert shortened(ids[:20], 32) == ids[:20]
