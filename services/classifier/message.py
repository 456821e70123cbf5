"""Puts an answer into the words of the contract."""

from pointsman.classifier.v1 import classifier_service_pb2 as pb
from services.classifier.answer import Answer
from services.classifier.judgement import Tier

_TIERS = {Tier.FAST: pb.CLASSIFIER_TIER_FAST, Tier.ENCODER: pb.CLASSIFIER_TIER_ENCODER}


def classification(answer: Answer) -> pb.Classification:
    """The message that callers get."""
    found = answer.judgement
    small, medium, frontier = found.right
    return pb.Classification(
        intents=[pb.IntentScore(intent=name, probability=probability) for name, probability in found.intents],
        complexity=found.complexity,
        confidence=found.confidence,
        estimated_input_tokens=min(found.input_tokens, 2**32 - 1),
        estimated_output_tokens=found.output_tokens.p50,
        language_code=found.language_code,
        model_revision=answer.revision,
        tier=_TIERS[found.tier],
        right=pb.RightChances(small=small, medium=medium, frontier=frontier),
        estimated_output_tokens_p10=found.output_tokens.p10,
        estimated_output_tokens_p90=found.output_tokens.p90,
        script_code=found.script_code,
        routes=[
            pb.RouteMatch(route=match.route, similarity=match.similarity, matched=match.matched)
            for match in found.routes
        ],
        from_cache=answer.from_cache,
    )
