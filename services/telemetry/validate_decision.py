"""Checks what a decision was made from, and the snapshots of the fleet, before they are kept or learned from."""

import math

from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.response import Chances
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.telemetry.knowledge import Facts
from services.telemetry.malformed import Malformed
from services.telemetry.records import Decided, ModelKey

MAX_MODELS = 4_096
MAX_INTENTS = 256
MAX_ABILITY = 10.0
# Of routes, tags, capabilities and metadata, each.
MAX_LABELS = 256
MAX_LABEL, MAX_VALUE = 128, 512
TEXT_LIMITS = {
    "snapshot_id": 64,
    "fallback": 200,
    "language_code": 64,
    "pinned_model": 264,
    "session_model": 264,
    "tenant": 128,
    "data_class": 128,
    "asked_policy": 63,
    "rule": 128,
    "experiment": 128,
}


def to_decided(record: pb.RequestRecord) -> Decided:
    """What lessons need of a record's decision. Raises Malformed."""
    decision = record.decision
    for field, limit in TEXT_LIMITS.items():
        _text(f"decision.{field}", getattr(decision, field), limit)
    if not decision.snapshot_id:
        raise Malformed("decision.snapshot_id", "expected an id, found nothing")
    right = decision.right
    for name, share in (
        ("right.small", right.small),
        ("right.medium", right.medium),
        ("right.frontier", right.frontier),
        ("confidence", decision.confidence),
        ("propensity", decision.propensity),
        ("expected_quality", decision.expected_quality),
    ):
        _within(f"decision.{name}", share, 0.0, 1.0)
    _within("decision.max_first_token_seconds", decision.max_first_token_seconds, 0.0, math.inf)
    _within("decision.min_tokens_per_second", decision.min_tokens_per_second, 0.0, math.inf)
    if decision.HasField("chosen"):
        to_key("decision.chosen", decision.chosen)
    for field in ("routes", "tags", "capabilities", "metadata"):
        if (found := len(getattr(decision, field))) > MAX_LABELS:
            raise Malformed(f"decision.{field}", f"expected at most {MAX_LABELS}, found {found}")
    for field in ("routes", "tags"):
        for index, label in enumerate(getattr(decision, field)):
            _text(f"decision.{field}[{index}]", label, MAX_LABEL)
    for name, value in decision.metadata.items():
        # Both are a caller's words.
        _text("decision.metadata", name, MAX_LABEL)
        _text("decision.metadata", value, MAX_VALUE)
    judged = not decision.fallback
    return Decided(
        intent=record.intent,
        complexity=record.complexity,
        chances=Chances(right.small, right.medium, right.frontier) if judged and decision.HasField("right") else None,
        expected_tokens=(decision.output_tokens or None) if judged else None,
        token_limit=decision.wanted_output_tokens if decision.HasField("wanted_output_tokens") else None,
    )


def to_facts(snapshot: pb.FleetSnapshot) -> dict[ModelKey, Facts]:
    """What is learned from a snapshot: the priors. Raises Malformed."""
    if not 1 <= len(snapshot.id) <= TEXT_LIMITS["snapshot_id"]:
        raise Malformed("id", f"expected 1 to {TEXT_LIMITS['snapshot_id']} characters, found {len(snapshot.id)}")
    if len(snapshot.models) > MAX_MODELS:
        raise Malformed("models", f"expected at most {MAX_MODELS}, found {len(snapshot.models)}")
    found: dict[ModelKey, Facts] = {}
    for index, state in enumerate(snapshot.models):
        where = f"models[{index}]"
        if len(state.abilities) > MAX_INTENTS:
            raise Malformed(f"{where}.abilities", f"expected at most {MAX_INTENTS}, found {len(state.abilities)}")
        priors, deviation = dict[str, float](), 0.0
        for place, ability in enumerate(state.abilities):
            path = f"{where}.abilities[{place}]"
            _text(f"{path}.intent", ability.intent, 200)
            _within(f"{path}.ability", ability.ability, -MAX_ABILITY, MAX_ABILITY)
            _within(f"{path}.prior", ability.prior, -MAX_ABILITY, MAX_ABILITY)
            _within(f"{path}.prior_deviation", ability.prior_deviation, 0.0, 1.0)
            if ability.HasField("prior"):
                priors[ability.intent] = ability.prior
                deviation = max(deviation, ability.prior_deviation)
        key = to_key(f"{where}.card.ref", state.card.ref)
        if priors and deviation:
            found[key] = Facts(priors, deviation, state.card.max_output_tokens)
    return found


def to_key(where: str, ref: ModelRef) -> ModelKey:
    """A model's key. Raises Malformed."""
    if not 1 <= len(ref.provider) <= 63:
        raise Malformed(f"{where}.provider", f"expected 1 to 63 characters, found {len(ref.provider)}")
    if not 1 <= len(ref.model) <= 200:
        raise Malformed(f"{where}.model", f"expected 1 to 200 characters, found {len(ref.model)}")
    return ref.provider, ref.model


def _text(field: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise Malformed(field, f"expected at most {limit} characters, found {len(text)}")


def _within(field: str, number: float, lowest: float, highest: float) -> None:
    if not lowest <= number <= highest or math.isinf(number):
        bound = f"{lowest:g} to {highest:g}" if math.isfinite(highest) else f"{lowest:g} or more"
        raise Malformed(field, f"expected {bound}, found {number:g}")
