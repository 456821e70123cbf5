"""What ships of models' abilities: a formula on published figures, found by name, and never over the operator's own word."""

import math
from dataclasses import replace
from fnmatch import translate
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.config.abilities import HIGHEST, LOWEST, SHIPPED, Abilities, Anchor, read_abilities
from pointsman.config.catalogue import FROM_FILE, Model, complete_models
from pointsman.config.load import ConfigError, load_config

INTENTS = {
    "code", "math", "reasoning", "creative_writing", "functional_writing", "summarization", "rewriting", "translation",
    "extraction", "classification", "grounded_qa", "question_answering", "advice", "conversation",
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> Abilities:
    return read_abilities()


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return content


def overall(shipped: Abilities, reference: str) -> float:
    found = shipped.find(reference)
    assert found is not None, reference
    return found.overall


def test_a_figure_becomes_an_ability_as_worked_out_by_hand() -> None:
    # Without guessing: logits of 1/4, 1/2 and 3/4 are -log 3, 0 and log 3.
    plain = Anchor(small=0.25, frontier=0.5, guess=0.0, broad=True, intents=())
    assert plain.ability(0.75) == pytest.approx(2.0)
    assert plain.ability(0.25) == 0.0 and plain.ability(0.5) == 1.0
    # Four choices: 0.4375, 0.625 and 0.8125 are knowing 1/4, 1/2 and 3/4, the rest being luck.
    choices = Anchor(small=0.4375, frontier=0.625, guess=0.25, broad=True, intents=())
    assert choices.ability(0.8125) == pytest.approx(2.0)
    # Worse than guessing and all right are as far as the scale goes.
    assert choices.ability(0.1) == LOWEST and choices.ability(1.0) == HIGHEST


def test_a_models_ability_is_worked_out_from_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "abilities.yaml"
    file.write_text("""
sources: {paper: {title: A paper}}
anchors:
  exam: {small: 25, frontier: 50, broad: true, intents: [question_answering]}
  essay: {small: 25, frontier: 50, broad: true, intents: []}
  sums: {small: 50, frontier: 75, intents: [math]}
models:
  - {match: ["*/one-exam"], source: paper, figures: {exam: 75}}
  - {match: ["*/all"], source: paper, figures: {exam: 75, essay: 50, sums: 50}}
""")
    abilities = read_abilities(file)
    one, everything = abilities.find("p/one-exam"), abilities.find("p/all")
    assert one and everything
    assert one.overall == pytest.approx(2.0)
    assert one.source == "paper"
    # The narrow benchmark is not in the overall ability, and its intent is drawn half way towards that: (0 + 1.5) / 2.
    assert everything.overall == pytest.approx(1.5)
    assert everything.by_intent == {"math": pytest.approx(0.75), "question_answering": pytest.approx(1.75)}
    assert one.deviation > everything.deviation
    assert everything.deviation == pytest.approx(math.sqrt(0.15**2 + 0.36**2 / 2 + (0.15 * 0.5) ** 2), abs=1e-3)
    file.write_text(
        file.read_text().replace("source: paper, figures: {exam: 75}", "source: hearsay, figures: {exam: 75}")
    )
    with pytest.raises(KeyError, match="hearsay"):
        read_abilities(file)


@pytest.mark.parametrize(("reference", "ability"), [("groq/llama-3.1-8b-instant", 0), ("openai/gpt-4-1106-preview", 1)])
def test_the_two_models_that_fix_the_scale_stand_on_its_ends(shipped: Abilities, reference: str, ability: int) -> None:
    found = shipped.find(reference)
    assert found is not None
    assert found.overall == ability
    assert set(found.by_intent.values()) == {ability}


@pytest.mark.parametrize(
    "ranked",
    [
        ["openai/gpt-5", "openai/o3", "openai/gpt-4.1", "openai/gpt-4o", "openai/gpt-4o-mini", "openai/gpt-3.5-turbo"],
        ["openai/gpt-5", "openai/gpt-5-mini", "openai/gpt-oss-20b"],
        [
            "anthropic/claude-opus-4-5",
            "anthropic/claude-sonnet-4-5",
            "anthropic/claude-haiku-4-5",
            "a/claude-3-5-haiku",
        ],
        ["g/gemini-2.5-pro", "g/gemini-2.5-flash", "g/gemini-1.5-flash"],
        [
            "m/Llama-3.1-405B-Instruct",
            "groq/llama-3.3-70b-versatile",
            "groq/llama-3.1-70b-versatile",
            "f/llama-v3p1-8b",
        ],
        ["groq/llama-3.1-8b-instant", "x/llama-3.2-3b-preview", "x/llama-3.2-1b-preview"],
        ["x/Qwen2.5-72B-Instruct", "x/qwen-2.5-14b-instruct", "x/qwen2.5-7b", "x/qwen2.5-3b", "x/qwen2.5-1.5b"],
        ["deepseek/deepseek-reasoner", "deepseek/deepseek-chat", "x/mixtral-8x22b", "x/mistral-7b-instruct"],
    ],
    ids=lambda ranked: str(ranked[0]),
)
def test_better_models_of_a_family_stand_higher(shipped: Abilities, ranked: list[str]) -> None:
    abilities = [overall(shipped, reference) for reference in ranked]
    assert abilities == sorted(abilities, reverse=True)
    assert len(set(abilities)) == len(abilities)


def test_models_are_found_by_the_names_that_providers_give_them(shipped: Abilities) -> None:
    llama = [
        "groq/llama-3.3-70b-versatile",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "aws/meta.llama3-3-70b-instruct-v1:0",
        "fireworks/llama-v3p3-70b-instruct",
    ]
    sonnet = [
        "anthropic/claude-sonnet-4-5",
        "openrouter/anthropic/claude-sonnet-4.5",
        "aws/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ]
    for names in (llama, sonnet):
        assert len({id(shipped.find(name)) for name in names}) == 1 and shipped.find(names[0]) is not None


@pytest.mark.parametrize(
    "reference",
    ["openai/gpt-5-nano", "openai/gpt-5.9", "anthropic/claude-sonnet-4-9", "triton/tiny-chat", "x/llama", ""],
)
def test_a_model_that_nobody_measured_is_not_taken_for_another(shipped: Abilities, reference: str) -> None:
    assert shipped.find(reference) is None


def sample(pattern: str) -> str:
    """The shortest name that a pattern is for."""
    name = pattern.replace("*/", "p/").replace("*", "").replace("[.-]", "-").replace("[.p-]", ".").replace("[.p]", ".")
    return name if "/" in name else f"p/{name}"


def test_every_pattern_can_be_reached_and_is_lower_case(shipped: Abilities) -> None:
    for patterns, ability in shipped.entries:
        for pattern in patterns:
            assert pattern == pattern.lower() and translate(pattern)
            assert shipped.find(sample(pattern)) is ability, pattern


def test_every_shipped_ability_is_sane(shipped: Abilities, written: dict[str, Any]) -> None:
    for patterns, ability in shipped.entries:
        assert LOWEST <= ability.overall <= HIGHEST, patterns
        assert 0.15 < ability.deviation <= 1, patterns
        assert set(ability.by_intent) <= INTENTS
        assert all(LOWEST <= value <= HIGHEST for value in ability.by_intent.values()), patterns
    for model in written["models"]:
        assert all(0 < figure < 100 for figure in model["figures"].values()), model


def test_every_source_is_told_and_used(written: dict[str, Any]) -> None:
    used = {model["source"] for model in written["models"]}
    used |= {source for anchor in written["anchors"].values() for source in anchor["sources"]}
    assert used == set(written["sources"])
    assert all({"title", "where", "when"} == set(source) for source in written["sources"].values())


def completed(folder: Path, model: str, kind: str = "{kind: openai_http}") -> Model:
    path = folder / "mesh.yaml"
    path.write_text(
        f"version: 1\nproviders:\n  p: {kind}\nmodels:\n  - {{provider: p, context_tokens: 1000, {model}}}\n"
    )
    (found,) = complete_models(load_config(path))
    return found


PRICE = "price: {input: 1, output: 2}"


def test_a_well_known_model_needs_no_quality(tmp_path: Path, shipped: Abilities) -> None:
    model = completed(tmp_path, f"model: gpt-4o-mini, {PRICE}")
    found = shipped.find("openai/gpt-4o-mini")
    assert found is not None
    assert (model.quality, model.quality_by_intent) == (found.overall, found.by_intent)
    assert (model.quality_deviation, model.quality_source) == (found.deviation, "simple-evals")


def test_the_operators_word_wins(tmp_path: Path, shipped: Abilities) -> None:
    own = completed(tmp_path, f"model: gpt-4o-mini, quality: 0.3, {PRICE}")
    assert (own.quality, own.quality_by_intent, own.quality_deviation) == (0.3, {}, 0.1)
    assert own.quality_source == FROM_FILE
    with_intent = completed(tmp_path, f"model: gpt-4o-mini, quality: 0.3, quality_by_intent: {{code: 0.9}}, {PRICE}")
    assert with_intent.quality_by_intent == {"code": 0.9}
    only_intent = completed(tmp_path, f"model: gpt-4o-mini, quality_by_intent: {{code: 0.9}}, {PRICE}")
    found = shipped.find("openai/gpt-4o-mini")
    assert found is not None
    assert only_intent.quality_by_intent == {**found.by_intent, "code": 0.9}
    assert completed(tmp_path, f"model: gpt-4o-mini, quality_deviation: 0.5, {PRICE}").quality_deviation == 0.5


def test_a_model_of_another_name_is_looked_up_as_it_is_priced(tmp_path: Path, shipped: Abilities) -> None:
    model = completed(tmp_path, f"model: fast-one, priced_as: groq/llama-3.3-70b-versatile, {PRICE}")
    assert model.quality == overall(shipped, "groq/llama-3.3-70b-versatile")


def test_a_quality_that_nobody_knows_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        completed(tmp_path, f"model: own-model, {PRICE}")
    (problem,) = raised.value.problems
    assert (problem.line, problem.field) == (5, "models.0.quality")
    assert problem.expected == "expected a value; no ability is shipped for p/own-model"


def test_only_tritons_models_are_self_hosted_unless_the_file_says_so(tmp_path: Path) -> None:
    known = f"model: m, quality: 0.5, {PRICE}"
    assert not completed(tmp_path, known).self_hosted
    assert completed(tmp_path, f"{known}, self_hosted: true").self_hosted
    triton = f"{known}, chat_template: '{{{{ messages }}}}'"
    assert completed(tmp_path, triton, "{kind: triton}").self_hosted
    assert not completed(tmp_path, f"{triton}, self_hosted: false", "{kind: triton}").self_hosted


def test_a_models_reference_follows_its_name(tmp_path: Path) -> None:
    model = completed(tmp_path, f"model: m, quality: 0.5, {PRICE}")
    assert (model.reference, replace(model, name="n").reference) == ("p/m", "p/n")
