"""The decision and its kin as protobuf; what a client reads."""

from typing import TYPE_CHECKING, cast

from google.protobuf.duration_pb2 import Duration

from pointsman.classifier.v1.classifier_service_pb2 import Classification
from pointsman.config.catalogue import Model
from pointsman.llm.v1 import model_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.candidates import Candidate, LiveModel, Verdict
from services.router.choice import Asked, Choice

if TYPE_CHECKING:  # who only reads a decision need not talk to the classifier
    from services.router.classify import Classified

CAPABILITY_PREFIX = "CAPABILITY_"


def to_ref(model: Model) -> model_pb2.ModelRef:
    """Names the model."""
    return model_pb2.ModelRef(provider=model.provider, model=model.name)


def to_decision(choice: Choice, asked: Asked, classified: "Classified", revision: str) -> pb.RouteDecision:
    """The full account of one choice."""
    decision, judgement = choice.decision, asked.judgement
    if classified.answer is not None:
        classification = classified.answer
    else:
        classification = Classification(
            complexity=decision.complexity,
            estimated_input_tokens=judgement.input_tokens,
            estimated_output_tokens=judgement.output_tokens,
        )
    ranked = decision.ranked
    return pb.RouteDecision(
        chosen=to_ref(ranked[0].model) if ranked else None,
        candidates=[_candidate(c) for c in ranked] + [_ruled_out(c) for c in decision.ruled_out],
        classification=classification,
        policy=choice.policy.name,
        config_revision=revision,
        propensity=decision.propensity,
        reason=decision.reason,
        default_complexity=bool(judgement.fallback),
        request_id=asked.request_id,
        rule=choice.rule.name if choice.rule else "",
        experiment=decision.experiment,
        explored=decision.explored,
        shadows=[
            model_pb2.ModelRef(provider=r.partition("/")[0], model=r.partition("/")[2]) for _, r in choice.shadows
        ],
    )


# By number: looking a name up takes longer than all the rest of a candidate.
_VERDICTS = {v: cast(pb.Candidate.Verdict, pb.Candidate.Verdict.Value(f"VERDICT_{v.value}")) for v in Verdict}


def _candidate(candidate: Candidate) -> pb.Candidate:
    return pb.Candidate(
        model=to_ref(candidate.model),
        verdict=_VERDICTS[candidate.verdict],
        detail=candidate.detail,
        score=candidate.score,
        expected_quality=candidate.expected_quality,
        expected_cost_micros=candidate.expected_cost_micros,
        expected_first_token_seconds=candidate.expected_first_token_s,
        expected_tokens_per_second=candidate.expected_tokens_per_second,
        ability=candidate.ability,
        ability_deviation=candidate.ability_deviation,
        reliability=candidate.reliability,
        expected_output_tokens=candidate.output_tokens,
        cached_input_tokens=candidate.cached_tokens,
        quality_value_micros=candidate.quality_value,
        time_cost_micros=candidate.time_cost,
        stay_bonus_micros=candidate.stay_bonus,
        propensity=candidate.propensity,
    )


def _ruled_out(candidate: Candidate) -> pb.Candidate:
    return pb.Candidate(
        model=to_ref(candidate.model),
        verdict=_VERDICTS[candidate.verdict],
        detail=candidate.detail,
        expected_cost_micros=candidate.expected_cost_micros,
    )


def to_card(model: Model) -> model_pb2.ModelCard:
    """What a model is, with the price in force."""
    price = model.price
    return model_pb2.ModelCard(
        ref=to_ref(model),
        capabilities=[f"{CAPABILITY_PREFIX}{c.value.upper()}" for c in sorted(model.capabilities)],
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        price=model_pb2.Price(
            currency_code="USD",
            input_micros_per_mtok=price.input_micros_per_mtok,
            output_micros_per_mtok=price.output_micros_per_mtok,
            cache_read_micros_per_mtok=price.cache_read_micros_per_mtok,
            cache_write_micros_per_mtok=price.cache_write_micros_per_mtok,
        ),
    )


def to_model_status(live: LiveModel) -> pb.ModelStatus:
    """A model as the router sees it now."""
    return pb.ModelStatus(
        card=to_card(live.model),
        available=not (live.unavailable or live.circuit),
        detail=live.unavailable or live.circuit,
        tokens_per_second=live.tokens_per_second,
        first_token_seconds=live.first_token_s,
    )


def to_duration(seconds: float) -> Duration:
    """Seconds as google.protobuf.Duration."""
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
