"""The decision and its kin as protobuf; what a client reads."""

from google.protobuf.duration_pb2 import Duration

from pointsman.classifier.v1.classifier_service_pb2 import Classification, IntentScore
from pointsman.config.catalogue import Model
from pointsman.llm.v1 import model_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.classify import Classified
from services.router.decision import Candidate, Decision, LiveModel

CAPABILITY_PREFIX = "CAPABILITY_"


def to_ref(model: Model) -> model_pb2.ModelRef:
    """Names the model."""
    return model_pb2.ModelRef(provider=model.provider, model=model.name)


def to_decision(
    decision: Decision, classified: Classified, *, policy: str, revision: str, request_id: str
) -> pb.RouteDecision:
    """The full account of one choice."""
    judgement = classified.judgement
    classification = classified.answer or Classification(
        intents=[IntentScore(intent=judgement.intent, probability=1.0)] if judgement.intent else [],
        complexity=judgement.complexity,
        estimated_input_tokens=judgement.input_tokens,
        estimated_output_tokens=judgement.output_tokens,
    )
    return pb.RouteDecision(
        chosen=to_ref(decision.ranked[0].model) if decision.ranked else None,
        candidates=[_candidate(c) for c in (*decision.ranked, *decision.ruled_out)],
        classification=classification,
        policy=policy,
        config_revision=revision,
        propensity=1.0 if decision.ranked else 0.0,
        reason=decision.reason,
        default_complexity=bool(judgement.fallback),
        request_id=request_id,
    )


def _candidate(candidate: Candidate) -> pb.Candidate:
    return pb.Candidate(
        model=to_ref(candidate.model),
        verdict=f"VERDICT_{candidate.verdict.value}",
        detail=candidate.detail,
        score=candidate.score,
        expected_quality=candidate.expected_quality,
        expected_cost_micros=candidate.expected_cost_micros,
        expected_first_token_seconds=candidate.expected_first_token_s,
        expected_tokens_per_second=candidate.expected_tokens_per_second,
    )


def to_model_status(live: LiveModel) -> pb.ModelStatus:
    """A model as the router sees it now."""
    model, price = live.model, live.model.price
    return pb.ModelStatus(
        card=model_pb2.ModelCard(
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
        ),
        available=not live.unavailable,
        detail=live.unavailable,
        tokens_per_second=live.tokens_per_second,
        first_token_seconds=live.first_token_s,
    )


def to_duration(seconds: float) -> Duration:
    """Seconds as google.protobuf.Duration."""
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
