"""What `pointsman explain` shows, on screens of several widths."""

import json

import pytest

from pointsman import errors
from pointsman.classifier.v1.classifier_service_pb2 import Classification, IntentScore, RightChances
from pointsman.cli.ask import Labels, Question
from pointsman.cli.decision_view import decision_view
from pointsman.cli.explain import decision_json
from pointsman.cli.failures import CannotAsk
from pointsman.config.routing_schema import Objective, PolicySection, shipped_policies
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.requests import make_ask
from pointsman.router.v1.router_service_pb2 import Candidate, RouteDecision
from tests.unit.test_cli_render import row, shown

SMALL, LARGE = ModelRef(provider="groq", model="llama-3.3-70b-versatile"), ModelRef(provider="openai", model="gpt-5")
GONE = ModelRef(provider="triton", model="tiny-chat")


def candidate(model: ModelRef, **fields: object) -> Candidate:
    made = Candidate(model=model, verdict=Candidate.VERDICT_ELIGIBLE, reliability=1.0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def decision() -> RouteDecision:
    return RouteDecision(
        chosen=LARGE,
        candidates=[
            candidate(
                LARGE,
                expected_quality=0.91,
                ability=1.4,
                ability_deviation=0.15,
                expected_first_token_seconds=2.0,
                expected_tokens_per_second=60,
                expected_cost_micros=5_000,
                quality_value_micros=18_200,
                time_cost_micros=1_570,
                stay_bonus_micros=200,
                score=11_830,
                propensity=0.996,
            ),
            candidate(
                SMALL,
                expected_quality=0.6,
                ability=0.4,
                ability_deviation=0.2,
                expected_first_token_seconds=0.3,
                expected_tokens_per_second=280,
                expected_cost_micros=985,
                quality_value_micros=12_000,
                time_cost_micros=310,
                score=5_915,
                propensity=0.004,
                reliability=0.75,
                cached_input_tokens=900,
                detail="below the quality bar of [0.70]",
            ),
            Candidate(model=GONE, verdict=Candidate.VERDICT_CONTEXT_TOO_SMALL, detail="needs 9,000 [of] 1,024 tokens"),
        ],
        classification=Classification(
            intents=[IntentScore(intent="reasoning", probability=0.83)],
            complexity=0.62,
            confidence=0.7,
            estimated_input_tokens=1_200,
            estimated_output_tokens=300,
            language_code="de",
            right=RightChances(small=0.41, medium=0.6, frontier=0.83),
        ),
        policy="balanced",
        config_revision="abc123",
        reason="hard enough for it",
        propensity=0.996,
        rule="proofs",
        shadows=[SMALL],
    )


def test_the_head_says_what_was_chosen_and_from_what() -> None:
    lines = shown(decision_view(decision(), shipped_policies()["balanced"]))
    assert [row(lines, title) for title in ("model  openai", "why", "prompt", "right", "tokens")] == [
        "model openai/gpt-5",
        "why hard enough for it",
        "prompt complexity 0.62; intent reasoning 83%, language de",
        "right small 41%, medium 60%, frontier 83%, by size of model; confidence 0.70",
        "tokens about 1,200 in, 300 out expected",
    ]
    assert row(lines, "policy") == "policy balanced: highest score; right answer $0.02, second $0.0002, staying $0.0002"
    assert [row(lines, title) for title in ("rule  ", "chance", "shadows")] == [
        "rule proofs",
        "chance this model comes first for 99.6% of such requests",
        "shadows a copy goes to groq/llama-3.3-70b-versatile",
    ]


def test_without_the_file_the_worth_of_a_right_answer_is_told_from_the_figures() -> None:
    assert row(shown(decision_view(decision())), "policy") == "policy balanced: right answer $0.02"


def test_a_wide_screen_has_a_candidate_in_one_line_with_the_parts_of_its_score() -> None:
    lines = shown(decision_view(decision()), width=130)
    assert row(lines, "1 ") == "1 openai/gpt-5 91% 1.40 ±0.15 2.00 s 60 >99% 18.2 5.00 1.57 0.200 11.8 ██████████"
    assert row(lines, "2 ") == (
        "2 groq/llama-3.3-70b-versatile 60% 0.40 ±0.20 0.30 s 280 <1% 12.0 5.78 0.310 0 5.92 █████"
    )
    # Square brackets are text and not markup.
    assert row(shown(decision_view(decision()), width=200), "groq/") == (
        "groq/llama-3.3-70b-versatile: below the quality bar of [0.70],"
        " 75% of its calls are expected to succeed, 900 input tokens are in its cache"
    )
    assert row(lines, "triton/") == "triton/tiny-chat context too small needs 9,000 [of] 1,024 tokens"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_figure_and_no_name_is_cut_on_any_screen(width: int) -> None:
    lines = shown(decision_view(decision()), width=width)
    assert max(map(len, lines)) <= width
    text = "\n".join(" ".join(line.split()) for line in lines)
    for told in ("groq/llama-3.3-70b-versatile 60% 0.40 ±0.20 0.30 s", "18.2 5.00 1.57 0.200 11.8 ██████████"):
        assert told in text
    assert "…" not in text


def test_without_a_choice_it_says_so() -> None:
    bare = RouteDecision(candidates=[Candidate(model=SMALL, verdict=Candidate.VERDICT_UNAVAILABLE, detail="down")])
    lines = shown(decision_view(bare))
    assert row(lines, "model  none") == "model none can answer"
    assert row(lines, "groq/") == "groq/llama-3.3-70b-versatile unavailable down"


def test_a_policy_that_looks_for_the_cheapest_and_has_limits_says_so() -> None:
    policy = PolicySection(
        objective=Objective.CHEAPEST, min_quality=0.7, max_first_token_s=2, deny=["x/*"], self_hosted_for={"medical"}
    )
    lines = shown(decision_view(decision(), policy))
    assert row(lines, "policy").startswith("policy balanced: cheapest that is right at 70%; right answer $0.01")
    assert row(lines, "limits") == "limits not x/*, first token within 2.00 s, medical prompts self-hosted"


def test_the_decision_as_json_has_every_figure_as_a_number() -> None:
    found = json.loads(json.dumps(decision_json(decision())))
    assert found["chosen"] == {"provider": "openai", "model": "gpt-5"}
    assert found["candidates"][0]["expected_cost_micros"] == 5_000
    assert found["candidates"][2]["score"] == 0
    assert (found["rule"], found["experiment"], found["explored"]) == ("proofs", "", False)


def test_what_a_request_says_of_itself_reaches_the_router() -> None:
    labels = Labels("s", "acme", ["a", "b"], ["team=x", "note=a=b"], "secret", 1.5, 20.0, "r1")
    ask = make_ask("Why?", **Question("Why?", labels=labels).options())
    assert ask.explain().request_id == ask.generate().request_id == "r1"
    sent = ask.explain().constraints
    assert (sent.session_key, sent.tenant, sent.data_class) == ("s", "acme", "secret")
    assert (list(sent.tags), dict(sent.metadata)) == (["a", "b"], {"team": "x", "note": "a=b"})
    assert (sent.max_first_token_time.ToMilliseconds(), sent.min_tokens_per_second) == (1_500, 20.0)
    bare = make_ask("Why?", **Question("Why?").options()).constraints
    assert not bare.HasField("max_first_token_time")
    assert not bare.HasField("min_tokens_per_second")


@pytest.mark.parametrize("entry", ["team", "=x", ""])
def test_metadata_is_a_key_and_a_value(entry: str) -> None:
    with pytest.raises(CannotAsk, match="--metadata: expected KEY=VALUE"):
        Question("Why?", labels=Labels(metadata=[entry])).options()


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        (Labels(max_first_token_s=0.0), "max_first_token_s"),
        (Labels(max_first_token_s=float("nan")), "max_first_token_s"),
        (Labels(min_tokens_per_second=float("inf")), "min_tokens_per_second"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(labels: Labels, field: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=field):
        make_ask("Why?", **Question("Why?", labels=labels).options())
