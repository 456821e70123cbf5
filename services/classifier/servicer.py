"""ClassifierService over the batcher."""

from functools import partial
from typing import Any, assert_never

from grpc import aio

from pointsman import errors
from pointsman.classifier.v1 import classifier_service_pb2 as pb
from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceServicer
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.answer import QueueFull, TierWish
from services.classifier.cached import CachedBatcher
from services.classifier.message import classification
from services.classifier.prompt_text import read_prompt

RETRY_AFTER_S = 0.05
_ASKED = {pb.CLASSIFIER_TIER_FAST: TierWish.FAST, pb.CLASSIFIER_TIER_ENCODER: TierWish.ENCODER}
Context = aio.ServicerContext[Any, Any]


class ClassifierServicer(ClassifierServiceServicer):
    """Judges prompts; whatever text they hold, there is an answer."""

    def __init__(self, batcher: CachedBatcher, tier: ClassifierTierChoice) -> None:
        self._batcher = batcher
        self._tier = tier

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        """Judges one prompt; raises InvalidRequest for an unknown tier, Overloaded when even the fast tier's queue is full."""
        wish = self._wish(request.wanted_tier)
        try:
            found = await self._batcher.classify(
                partial(read_prompt, request.prompt), request.prompt.ByteSize(), wish, context.time_remaining()
            )
        except QueueFull as error:
            raise errors.Overloaded("the classifier's queue is full", retry_after_s=RETRY_AFTER_S) from error
        return pb.ClassifyResponse(classification=classification(found))

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
        return _ASKED.get(wanted, own)
