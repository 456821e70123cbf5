"""A decision as telemetry keeps it, and back again: what was recorded can be decided once more."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from pointsman.classifier.v1.classifier_service_pb2 import RightChances
from pointsman.config.catalogue import Model, Price
from pointsman.response import Chances
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.router.candidates import Ability, Judgement, Last, LiveModel, Needs, Snapshot
from services.router.choice import Asked, Choice
from services.router.messages import to_card, to_ref
from services.router.validate import CAPABILITIES

if TYPE_CHECKING:  # an enum in the types alone
    from pointsman.llm.v1.model_pb2 import Capability

_NUMBERS = {name: cast("Capability", number) for number, name in CAPABILITIES.items()}


def to_snapshot(snapshot: Snapshot) -> pb.FleetSnapshot:
    """All that a decision reads of the fleet; the id is a digest of it."""
    recorded = pb.FleetSnapshot(
        config_revision=snapshot.config_revision, models=[_to_state(live) for live in snapshot.models]
    )
    recorded.id = blake2b(recorded.SerializeToString(deterministic=True), digest_size=12).hexdigest()
    return recorded


def _to_state(live: LiveModel) -> pb.ModelState:
    return pb.ModelState(
        card=to_card(live.model),
        unavailable=live.unavailable,
        circuit=live.circuit,
        admits=live.admits,
        first_token_seconds=live.first_token_s,
        tokens_per_second=live.tokens_per_second,
        reliability=live.reliability,
        residency=sorted(live.model.residency),
        self_hosted=live.model.self_hosted,
        abilities=[
            pb.AbilityState(
                intent=intent,
                ability=a.mean,
                deviation=a.deviation,
                output_ratio=a.output_ratio,
                prior=live.model.quality_by_intent.get(intent, live.model.quality),
                prior_deviation=live.model.quality_deviation,
            )
            for intent, a in sorted(live.abilities.items())
        ],
    )


def from_snapshot(recorded: pb.FleetSnapshot) -> Snapshot:
    """The snapshot again."""
    return Snapshot(tuple(_from_state(state) for state in recorded.models), recorded.config_revision)


def _from_state(state: pb.ModelState) -> LiveModel:
    card, price = state.card, state.card.price
    abilities = {a.intent: Ability(a.ability, a.deviation, a.output_ratio) for a in state.abilities}
    model = Model(
        provider=card.ref.provider,
        name=card.ref.model,
        capabilities=frozenset(CAPABILITIES[c] for c in card.capabilities if c in CAPABILITIES),
        context_tokens=card.context_tokens,
        max_output_tokens=card.max_output_tokens,
        price=Price(
            input_micros_per_mtok=price.input_micros_per_mtok,
            output_micros_per_mtok=price.output_micros_per_mtok,
            cache_read_micros_per_mtok=price.cache_read_micros_per_mtok,
            cache_write_micros_per_mtok=price.cache_write_micros_per_mtok,
        ),
        quality=abilities[""].mean,
        quality_by_intent={},
        first_token_s=state.first_token_seconds,
        tokens_per_second=state.tokens_per_second,
        residency=frozenset(state.residency),
        self_hosted=state.self_hosted,
    )
    return LiveModel(
        model,
        state.unavailable,
        state.first_token_seconds,
        state.tokens_per_second,
        state.reliability,
        abilities,
        state.circuit,
        state.admits,
    )


def to_features(asked: Asked, choice: Choice, snapshot_id: str) -> pb.DecisionFeatures:
    """What was asked, without its text, and what was decided."""
    judgement, needs, decision = asked.judgement, asked.needs, choice.decision
    features = pb.DecisionFeatures(
        snapshot_id=snapshot_id,
        confidence=judgement.confidence,
        fallback=judgement.fallback,
        input_tokens=judgement.input_tokens,
        output_tokens=judgement.output_tokens,
        language_code=judgement.language,
        routes=sorted(judgement.routes),
        capabilities=sorted(_NUMBERS[c] for c in needs.capabilities),
        pinned_model=needs.pinned,
        max_cost_micros=needs.max_cost_micros,
        wanted_output_tokens=needs.wanted_output_tokens,
        tenant=asked.tenant,
        tags=sorted(asked.tags),
        metadata=asked.metadata,
        data_class=needs.data_class,
        max_first_token_seconds=needs.max_first_token_s,
        min_tokens_per_second=needs.min_tokens_per_second,
        session=asked.session,
        session_model=asked.last.reference,
        session_tokens=asked.last.tokens,
        asked_policy=asked.policy,
        propensity=decision.propensity,
        explored=decision.explored,
        rule=choice.rule.name if choice.rule else "",
        experiment=decision.experiment,
    )
    if judgement.chances is not None:
        features.right.CopyFrom(RightChances(**judgement.chances._asdict()))
    if decision.ranked:
        first = decision.ranked[0]
        features.chosen.CopyFrom(to_ref(first.model))
        features.expected_quality = first.expected_quality
        features.expected_cost_micros = first.expected_cost_micros
    return features


def from_record(record: pb.RequestRecord) -> Asked:
    """What was asked, again."""
    f = record.decision
    right = f.right
    return Asked(
        request_id=record.request_id,
        judgement=Judgement(
            intent=record.intent,
            complexity=record.complexity,
            input_tokens=f.input_tokens,
            output_tokens=f.output_tokens,
            fallback=f.fallback,
            chances=Chances(right.small, right.medium, right.frontier) if f.HasField("right") else None,
            confidence=f.confidence,
            language=f.language_code,
            routes=frozenset(f.routes),
        ),
        needs=Needs(
            capabilities=frozenset(CAPABILITIES[c] for c in f.capabilities if c in CAPABILITIES),
            pinned=f.pinned_model,
            max_cost_micros=f.max_cost_micros if f.HasField("max_cost_micros") else None,
            wanted_output_tokens=f.wanted_output_tokens if f.HasField("wanted_output_tokens") else None,
            data_class=f.data_class,
            max_first_token_s=f.max_first_token_seconds if f.HasField("max_first_token_seconds") else None,
            min_tokens_per_second=f.min_tokens_per_second if f.HasField("min_tokens_per_second") else None,
        ),
        policy=f.asked_policy,
        tenant=f.tenant,
        tags=frozenset(f.tags),
        metadata=dict(f.metadata),
        session=f.session,
        last=Last(f.session_model, f.session_tokens),
    )


def decided_alike(record: pb.RequestRecord, chosen: Iterable[str]) -> bool:
    """Whether the first of `chosen`, references `provider/model`, is the model that was chosen then."""
    then = record.decision.chosen
    return next(iter(chosen), "/") == f"{then.provider}/{then.model}"
