"""ClassifierService over the batcher."""

from functools import partial
from typing import Any, assert_never

from grpc import aio

from pointsman import errors
from pointsman.classifier.v1 import classifier_service_pb2 as pb
from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceServicer
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.batcher import Batcher, QueueFull, TierWish
from services.classifier.judgement import Judgement, Tier
from services.classifier.prompt_text import read_prompt

RETRY_AFTER_S = 0.05
Context = aio.ServicerContext[Any, Any]


class ClassifierServicer(ClassifierServiceServicer):
    """Judges prompts; whatever text they hold, there is an answer."""

    def __init__(self, batcher: Batcher, tier: ClassifierTierChoice, revision: str) -> None:
        self._batcher = batcher
        self._tier = tier
        self._revision = revision

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        """Judges one prompt; raises InvalidRequest for an unknown tier, Overloaded when even the fast tier's queue is full."""
        wish = self._wish(request.wanted_tier)
        try:
            found = await self._batcher.classify(partial(read_prompt, request.prompt), wish, context.time_remaining())
        except QueueFull as error:
            raise errors.Overloaded("the classifier's queue is full", retry_after_s=RETRY_AFTER_S) from error
        return pb.ClassifyResponse(classification=self._message(found))

    def _wish(self, wanted: pb.ClassifierTier) -> TierWish:
        """What to ask of the batcher; a process without the encoder cannot be asked for it."""
        if wanted not in (pb.CLASSIFIER_TIER_UNSPECIFIED, pb.CLASSIFIER_TIER_FAST, pb.CLASSIFIER_TIER_ENCODER):
            raise errors.InvalidRequest.of("wanted_tier", f"expected a value of ClassifierTier, found {wanted}")
        match self._tier:
            case ClassifierTierChoice.FAST:
                return TierWish.FAST
            case ClassifierTierChoice.ENCODER:
                own = TierWish.ENCODER
            case ClassifierTierChoice.AUTO:
                own = TierWish.AUTO
            case never:
                assert_never(never)
        asked = {pb.CLASSIFIER_TIER_FAST: TierWish.FAST, pb.CLASSIFIER_TIER_ENCODER: TierWish.ENCODER}
        return asked.get(wanted, own)

    def _message(self, found: Judgement) -> pb.Classification:
        tiers = {Tier.FAST: pb.CLASSIFIER_TIER_FAST, Tier.ENCODER: pb.CLASSIFIER_TIER_ENCODER}
        small, medium, frontier = found.right
        return pb.Classification(
            intents=[pb.IntentScore(intent=name, probability=probability) for name, probability in found.intents],
            complexity=found.complexity,
            confidence=found.confidence,
            estimated_input_tokens=min(found.input_tokens, 2**32 - 1),
            estimated_output_tokens=found.output_tokens.p50,
            language_code=found.language_code,
            model_revision=self._revision,
            tier=tiers[found.tier],
            right=pb.RightChances(small=small, medium=medium, frontier=frontier),
            estimated_output_tokens_p10=found.output_tokens.p10,
            estimated_output_tokens_p90=found.output_tokens.p90,
            script_code=found.script_code,
            routes=[
                pb.RouteMatch(route=match.route, similarity=match.similarity, matched=match.matched)
                for match in found.routes
            ],
        )
