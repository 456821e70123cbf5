"""Recorded decisions taken again: as they were, by other policies, on other models."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.response import Chances
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.candidates import Judgement, LiveModel, Snapshot
from services.router.choice import Asked, Routing, choose
from services.router.experiments import Experiment
from services.router.off_policy import Tried, estimate
from services.router.once import replay_json, replay_listed
from services.router.recording import from_record, from_snapshot, to_features, to_snapshot
from services.router.replay import NO_DECISION, NO_SNAPSHOT, chosen_now, chosen_then, replay
from services.router.restated import restate
from services.router.rules import When
from tests.unit.routing import JUDGEMENT, NEEDS, POLICY, live, price, snapshot
from tests.unit.test_router_decision import ALL_NEEDS, CHEAPEST, JUDGEMENTS, LAST, RULES, fleets

SMALL, LARGE = live("small", quality=0.1, price=price(0.1, 0.2)), live("large", quality=1.1, price=price(5, 20))
FLEET = snapshot(SMALL, LARGE)
THRIFTY = replace(POLICY, name="thrifty", success_value_micros=100.0)
ROUTING = Routing({"balanced": POLICY, "thrifty": THRIFTY}, "balanced")
Recorded = tuple[pb.RequestRecord, pb.FleetSnapshot]


def record(routing: Routing, fleet: Snapshot, asked: Asked, **fields: Any) -> Recorded:
    """What telemetry would keep of a decision, through the wire and back."""
    choice, recorded = choose(routing, fleet, asked), to_snapshot(fleet)
    made = pb.RequestRecord(
        request_id=asked.request_id,
        policy=choice.policy.name,
        intent=asked.judgement.intent,
        complexity=choice.decision.complexity,
        decision_reason=choice.decision.reason,
        decision=to_features(asked, choice, recorded.id),
        **fields,
    )
    return (
        pb.RequestRecord.FromString(made.SerializeToString()),
        pb.FleetSnapshot.FromString(recorded.SerializeToString()),
    )


def narrow(value: float) -> float:
    """As the classifier's message carries a number."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def narrowed(judgement: Judgement) -> Judgement:
    chances = judgement.chances and Chances(*map(narrow, judgement.chances))
    return replace(judgement, complexity=narrow(judgement.complexity), chances=chances)


def easy_and_hard(number: int = 10) -> list[Recorded]:
    """As many easy requests as hard ones, decided by the default policy."""
    judged = [replace(JUDGEMENT, complexity=narrow(c)) for c in (0.02, 0.9)]
    return [record(ROUTING, FLEET, Asked(f"r{i}", judged[i % 2], NEEDS)) for i in range(2 * number)]


ASKED = st.builds(
    Asked,
    request_id=st.integers(0, 99).map(str),
    judgement=JUDGEMENTS.map(narrowed),
    needs=ALL_NEEDS,
    policy=st.sampled_from(["", "other", "gone"]),
    tenant=st.sampled_from(["", "acme"]),
    tags=st.frozensets(st.sampled_from(["a", "b"])),
    metadata=st.sampled_from([{}, {"team": "x"}]),
    session=st.integers(0, 3),
    last=LAST,
)
CONDITIONS = st.sampled_from(
    [When(), When(tenants=frozenset({"acme"})), When(metadata={"team": "*"}), When(min_complexity=0.5)]
)
SPLITS = st.builds(
    Experiment,
    name=st.just("try"),
    when=CONDITIONS,
    arms=st.just((("p/m0", 0.3), ("p/m1", 0.3))),
    shadow=st.just(False),
)


@st.composite
def routings(draw: st.DrawFn) -> Routing:
    explore = st.sampled_from([0.0, 0.5])
    rule = draw(RULES)
    return Routing(
        policies={name: replace(draw(CHEAPEST), name=name, explore=draw(explore)) for name in ("balanced", "other")},
        default_policy="balanced",
        rules=()
        if rule is None
        else (replace(rule, when=draw(CONDITIONS), policy=draw(st.sampled_from(["", "other"]))),),
        splits=tuple(draw(st.lists(SPLITS, max_size=1))),
    )


@settings(max_examples=60)
@given(routings(), fleets(), st.lists(ASKED, min_size=1, max_size=3))
def test_what_was_recorded_is_decided_again_as_it_was(
    routing: Routing, fleet: Sequence[LiveModel], requests: list[Asked]
) -> None:
    records = [record(routing, snapshot(*fleet), asked) for asked in requests]
    found = replay(records, routing)
    assert (found.replayed, found.changed, found.moves) == (len(requests), 0, ())
    assert found.before == found.after
    assert found.worth_before == found.worth_after
    for (kept, recorded), asked in zip(records, requests, strict=True):
        then = choose(routing, snapshot(*fleet), asked)
        again = choose(routing, from_snapshot(recorded), from_record(kept))
        assert chosen_now(again) == chosen_now(then) == chosen_then(kept)
        assert again.decision.reason == then.decision.reason == kept.decision_reason
        assert again.decision.propensity == then.decision.propensity == kept.decision.propensity
        assert [c.score for c in again.decision.ranked] == [c.score for c in then.decision.ranked]


def test_another_policy_moves_what_it_values_otherwise() -> None:
    found = replay(easy_and_hard(), ROUTING, policy="thrifty")
    assert found.before == {"p/small": 10, "p/large": 10}
    assert found.after == {"p/small": 20}
    (move,) = found.moves
    assert (move.before, move.after, move.count) == ("p/large", "p/small", 10)
    assert "thrifty prefers it to p/large" in move.why
    assert found.worth_after.cost_micros < found.worth_before.cost_micros
    assert found.worth_after.quality < found.worth_before.quality
    # Every request costs 50 micros at the small model and 4,500 at the large: half of them went there.
    assert found.worth_before.cost_micros == pytest.approx((50 + 4_500) / 2)
    assert found.worth_after.cost_micros == pytest.approx(50)
    assert found.worth_before.seconds == pytest.approx(1.0 + 200 / 50)


def test_a_summary_is_a_few_lines_for_a_log() -> None:
    records = [*easy_and_hard(), (pb.RequestRecord(), None)]
    lines = replay(records, ROUTING, policy="thrifty").summary()
    assert lines[0].startswith(
        "10 of 20 decisions would change; cost of 1,000 requests $2.2750 -> $0.0500, expected right"
    )
    assert lines[1].startswith("10 from p/large to p/small, such as: code, complexity 0.90: thrifty prefers it")
    assert lines[2:] == ["1 left out: no decision was recorded"]
    assert replay([], ROUTING).summary() == ["0 of 0 decisions would change"]


def test_what_cannot_be_taken_again_is_counted() -> None:
    (kept, fleet), *_ = easy_and_hard(1)
    stranger = pb.RequestRecord.FromString(kept.SerializeToString())
    stranger.decision.chosen.model = "gone"
    found = replay([(kept, fleet), (kept, None), (pb.RequestRecord(), fleet), (stranger, fleet)], ROUTING)
    assert found.replayed == 1
    assert found.left_out == {
        NO_SNAPSHOT: 1,
        NO_DECISION: 1,
        "the model that was chosen is not in its fleet": 1,
    }


def test_a_request_that_no_model_can_answer_any_more_is_a_move_to_none() -> None:
    shut = Routing({"balanced": replace(POLICY, excluded=frozenset({"p/small", "p/large"}))}, "balanced")
    found = replay(easy_and_hard(1), shut)
    assert found.after == {"": 2}
    assert {(m.after, m.why) for m in found.moves} == {("", "no model is eligible")}
    assert replay(easy_and_hard(1), shut).summary()[1].startswith("1 from p/")


def test_a_default_complexity_that_changes_does_not_change_what_a_model_is_expected_to_do() -> None:
    silent = replace(JUDGEMENT, fallback="late", complexity=0.0)
    records = [record(ROUTING, FLEET, Asked("r", silent, NEEDS))]
    pinned = Routing({"balanced": replace(POLICY, default_complexity=0.45)}, "balanced")
    found = replay(records, pinned)
    assert (found.changed, found.worth_after) == (0, found.worth_before)


def restated(*models: LiveModel) -> Callable[[pb.FleetSnapshot], Snapshot]:
    return restate([m.model for m in models], "new")


def test_other_models_and_prices_are_tried_on_the_same_requests() -> None:
    records = easy_and_hard()
    assert replay(records, ROUTING, restated(SMALL, LARGE)).changed == 0
    cheaper = replace(LARGE, model=replace(LARGE.model, price=price(0.1, 0.2)))
    found = replay(records, ROUTING, restated(SMALL, cheaper))
    assert found.after == {"p/large": 20}
    assert found.worth_after.cost_micros == pytest.approx(50)
    better = live("new", quality=1.5, price=price(0.01, 0.01))
    assert replay(records, ROUTING, restated(SMALL, LARGE, better)).after == {"p/new": 20}
    assert replay(records, ROUTING, restated(SMALL)).after == {"p/small": 20}


def test_what_feedback_taught_stays_when_the_prior_changes() -> None:
    taught = replace(SMALL, abilities={"": SMALL.abilities[""]._replace(mean=0.4, deviation=0.05)})
    recorded = to_snapshot(snapshot(taught))
    (model,) = restate([replace(SMALL.model, quality=0.3)], "new")(recorded).models
    # The prior was 0.1 and feedback raised it by 0.3; the prior is 0.3 now.
    assert model.abilities[""].mean == pytest.approx(0.6)
    assert model.abilities[""].deviation == 0.05


def test_chance_in_what_was_recorded_tells_how_another_policy_would_have_fared() -> None:
    explored = Routing({"balanced": POLICY}, "balanced", splits=(Experiment("try", When(), (("p/small", 0.5),)),))
    hard = replace(JUDGEMENT, complexity=narrow(0.9))
    records = []
    for i in range(400):
        asked = Asked(f"r{i}", hard, NEEDS)
        small = chosen_now(choose(explored, FLEET, asked)) == "p/small"
        # The small model answers one request in four, the large one all.
        failed = "ERROR_REASON_UPSTREAM" if small and i % 4 else ""
        records.append(record(explored, FLEET, asked, error_reason=failed))
    careful, careless = replay(records, ROUTING).off_policy, replay(records, ROUTING, policy="thrifty").off_policy
    assert careful is not None and careless is not None
    assert careful.expected == 1.0
    assert careless.expected == pytest.approx(0.25, abs=0.06)
    assert careful.recorded == careless.recorded == pytest.approx(0.625, abs=0.05)
    assert careful.effective + careless.effective == pytest.approx(400)
    assert careful.covered == pytest.approx(1, abs=0.1)
    assert replay(easy_and_hard(), ROUTING).off_policy is None


def test_a_request_that_its_caller_ended_says_nothing_of_the_model() -> None:
    explored = Routing({"balanced": POLICY}, "balanced", splits=(Experiment("try", When(), (("p/small", 0.5),)),))
    ended = pb.Attempt(outcome=pb.Attempt.OUTCOME_CANCELLED)
    records = [record(explored, FLEET, Asked(f"r{i}", JUDGEMENT, NEEDS), attempts=[ended]) for i in range(9)]
    assert replay(records, ROUTING).off_policy is None


@given(st.lists(st.tuples(st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_an_estimate_lies_between_the_outcomes_and_is_worth_no_more_than_they(rows: list[tuple[float, ...]]) -> None:
    found = estimate(Tried(*row) for row in rows)
    if found is not None:
        outcomes = [outcome for _, outcome, would in rows if would > 0]
        assert min(outcomes) - 1e-9 <= found.expected <= max(outcomes) + 1e-9
        assert 0 < found.effective <= len(rows) + 1e-9
        assert 0 < found.covered <= 1


CONFIG = """
version: 1
providers: {p: {kind: openai_http, base_url: http://127.0.0.1:9/v1}}
models:
  - {provider: p, model: small, quality: 0.1, context_tokens: 8000, price: {input: 0.1, output: 0.2}}
  - {provider: p, model: large, quality: 1.1, context_tokens: 8000, price: {input: 5, output: 20}}
policies: {home: {deny: [p/l*]}}
"""


def listed(records: list[Recorded]) -> pb.ListDecisionsResponse:
    fleets = {fleet.id: fleet for _, fleet in records}
    return pb.ListDecisionsResponse(records=[kept for kept, _ in records], snapshots=fleets.values())


def test_a_file_is_replayed_as_one_json_object(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(CONFIG)
    found = replay_json(replay_listed(listed(easy_and_hard()), file, "home", as_recorded=True))
    assert json.loads(json.dumps(found)) == found
    assert found["shares"] == [
        {"model": "p/small", "before": 0.5, "after": 1.0},
        {"model": "p/large", "before": 0.5, "after": 0.0},
    ]
    assert found["cost_per_1k"] == {"before": pytest.approx(2.275), "after": pytest.approx(0.05)}
    assert (found["changed"], found["off_policy"]) == (10, None)
    with pytest.raises(LookupError, match="expected one of balanced, economy, home, latency_first, quality_first"):
        replay_listed(listed([]), file, "nonsense", as_recorded=True)


def test_a_file_is_tried_at_the_prices_that_it_states(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(CONFIG + "prices: {models: {p/large: {input: 0.01, output: 0.01}}}\n")
    assert replay_listed(listed(easy_and_hard()), file, "", as_recorded=False).after == {"p/large": 20}


def test_patterns_of_a_policy_hold_for_models_that_only_the_records_have(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(CONFIG)
    old = live("larger", quality=2.0, price=price(0.01, 0.01))
    records = [record(ROUTING, snapshot(SMALL, old), Asked("r", JUDGEMENT, NEEDS))]
    assert replay_listed(listed(records), file, "home", as_recorded=True).after == {"p/small": 1}
