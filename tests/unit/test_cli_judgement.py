"""What `pointsman classify` prints."""

import json

import pytest

from pointsman.classifier.v1.classifier_service_pb2 import (
    CLASSIFIER_TIER_ENCODER,
    CLASSIFIER_TIER_FAST,
    Classification,
    ClassifierTier,
    IntentScore,
    RightChances,
    RouteMatch,
)
from pointsman.cli.judgement import judgements_json, judgements_view
from pointsman.cli.local_model import Timed
from tests.unit.test_cli_render import row, shown


def judged(tier: ClassifierTier, *, from_cache: bool = False) -> Classification:
    return Classification(
        intents=[
            IntentScore(intent="functional_writing", probability=0.9),
            IntentScore(intent="code", probability=0.07),
            IntentScore(intent="math", probability=0.02),
            IntentScore(intent="advice", probability=0.01),
        ],
        complexity=0.25,
        confidence=0.8,
        estimated_input_tokens=1,
        estimated_output_tokens=1_250,
        language_code="de\x1b[2J",
        model_revision="own-7",
        tier=tier,
        right=RightChances(small=0.5, medium=0.625, frontier=1.0),
        estimated_output_tokens_p10=300,
        estimated_output_tokens_p90=4_000,
        script_code="Latn",
        routes=[
            RouteMatch(route="billing", similarity=0.83, matched=True),
            RouteMatch(route="sales", similarity=0.2, matched=False),
        ],
        from_cache=from_cache,
    )


def test_one_tier_of_a_mesh() -> None:
    lines = shown(judgements_view([Timed(judged(CLASSIFIER_TIER_FAST, from_cache=True), 0.00042)], "unix:/x"), width=80)
    assert row(lines, "tier") == "tier fast"
    assert row(lines, "intent") == "intent functional_writing ██████▎ 90%"
    assert not [line for line in lines if "advice" in line]
    assert row(lines, "right answer") == "right answer small ███▌ 50%"
    assert row(lines, "frontier") == "frontier ███████ 100%"
    assert row(lines, "output") == "output 1,250 tokens (300 to 4,000)"
    assert row(lines, "input") == "input 1 token"
    assert row(lines, "language") == "language de[2J, script Latn"
    assert row(lines, "routes") == "routes billing 0.83 matched"
    assert row(lines, "sales") == "sales 0.20"
    assert row(lines, "time") == "time 0.42 ms from the cache"
    assert lines[-1] == "model own-7; one call to the classifier at unix:/x"


def test_two_tiers_side_by_side_fit_a_terminal() -> None:
    both = [Timed(judged(CLASSIFIER_TIER_FAST), 0.00042), Timed(judged(CLASSIFIER_TIER_ENCODER), 0.0123)]
    lines = shown(judgements_view(both, ""), width=80)
    assert row(lines, "tier") == "tier fast encoder"
    assert row(lines, "intent") == "intent functional_writing ██████▎ 90% functional_writing ██████▎ 90%"
    assert row(lines, "time") == "time 0.42 ms 12 ms"
    assert max(map(len, lines)) <= 80


def test_the_object_has_every_figure_once_a_tier() -> None:
    found = json.loads(json.dumps(judgements_json([Timed(judged(CLASSIFIER_TIER_ENCODER), 0.5)], "")))
    assert found["address"] is None
    (judgement,) = found["judgements"]
    assert len(judgement["intents"]) == 4
    assert judgement["right"] == {"small": 0.5, "medium": 0.625, "frontier": 1.0}
    assert judgement["output_tokens"] == {"p10": 300, "p50": 1_250, "p90": 4_000}
    assert judgement["routes"][0] == {"route": "billing", "similarity": pytest.approx(0.83), "matched": True}
    assert (judgement["tier"], judgement["seconds"], judgement["from_cache"]) == ("encoder", 0.5, False)
