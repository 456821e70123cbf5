"""The tables and figures that training rests on: labels exist, the routing curve measures what it says."""

import random
from pathlib import Path

import numpy as np
import pytest
import yaml

from services.classifier.manifest import read_manifest
from services.classifier.model import SHIPPED_MODELS
from training.classifier import sources
from training.classifier.noise import roughen
from training.classifier.priors import ASSUMED_RIGHT, OUTPUT_TOKENS
from training.classifier.prompts import PromptGenerator
from training.classifier.routing_curve import routing_curve

TAXONOMY = set(yaml.safe_load((sources.HERE / "intents.yaml").read_text("utf-8"))["taxonomy"])


def test_every_label_is_of_the_taxonomy() -> None:
    rules = yaml.safe_load((sources.HERE / "intents.yaml").read_text("utf-8"))["sources"]
    assert {rule["intent"] for rule in rules} <= TAXONOMY | {"skip"}
    lines = (sources.HERE / "reviewed_labels.tsv").read_text("utf-8").splitlines()
    assert {line.split("\t")[1] for line in lines if not line.startswith("#")} <= TAXONOMY
    assert set(OUTPUT_TOKENS) == TAXONOMY


def test_the_shipped_models_speak_this_taxonomy() -> None:
    assert set(read_manifest(SHIPPED_MODELS).taxonomy) == TAXONOMY


def test_generated_prompts_are_the_same_for_a_seed_and_leave_no_slot_open() -> None:
    def make() -> list[str]:
        generator = PromptGenerator(sources.HERE / "prompts.yaml", ["One day. It rained all night."], random.Random(7))
        return [made.text for made in generator.generate(40)]

    texts = make()
    assert texts == make()
    assert not [text for text in texts if "{topic}" in text or "{sentence}" in text or "{small}" in text]


def test_every_generated_kind_has_assumed_chances() -> None:
    generator = PromptGenerator(sources.HERE / "prompts.yaml", ["One day."], random.Random(1))
    assert {f"{made.intent}/{made.level}" for made in generator.generate(5)} <= set(ASSUMED_RIGHT)


def test_missing_data_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        sources.DataMissingError, match=r"mmlu_pairs\.jsonl\.gz is missing: pass --data DIR or set POINTSMAN_DATA"
    ):
        sources.load(tmp_path, 0)


def test_folds_hold_groups_as_a_whole_and_are_of_like_size() -> None:
    groups = [f"p3/template_{n}" for n in range(600)]
    folds = [sources.fold_of(group) for group in groups]
    assert folds == [sources.fold_of(group) for group in groups]
    assert all(150 < folds.count(fold) < 250 for fold in range(sources.FOLDS))


def test_rough_prompts_keep_what_is_asked() -> None:
    text = (
        "write a python function that merges two sorted lists, explain how it works and what it costs, then test it "
        "with empty ones, with duplicates, and with a million random numbers; no libraries please"
    )
    rough = [roughen(text, random.Random(seed)) for seed in range(60)]
    words = set(text.split())
    assert all(len(words & set(other.split())) > 0.5 * len(words) for other in rough)
    assert sum(text == other for other in rough) < 6


def test_the_routing_curve_is_a_half_for_chance_and_more_for_who_knows() -> None:
    rng = np.random.default_rng(0)
    weak, strong = rng.random(40_000) < 0.68, rng.random(40_000) < 0.80
    chance = routing_curve(rng.random(40_000), weak, strong)
    knows = routing_curve(strong.astype(float) - weak, weak, strong)
    assert chance.apgr == pytest.approx(0.5, abs=0.05)
    assert knows.apgr > 1
    assert knows.cpt50 < knows.cpt80 < chance.cpt50
