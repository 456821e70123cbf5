"""Asks the classifier within a short limit; losing it never loses a request."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import aio

from pointsman.classifier.v1 import classifier_service_pb2 as pb
from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from pointsman.llm.v1.prompt_pb2 import Prompt
from pointsman.response import Chances
from services.router.candidates import Judgement
from services.runtime import tracing
from services.runtime.channel import undecodable
from services.runtime.health import Health

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceAsyncStub

logger = logging.getLogger(__name__)

COMPONENT = "classifier"
# One late answer is no outage; so many in a row are.
FAILURES_TO_REPORT = 3
# Rough counts for a prompt that nobody judged: four characters a token, an image of a thousand, an answer of a few paragraphs.
BYTES_PER_TOKEN = 4
TOKENS_PER_MEDIA = 1_000
DEFAULT_OUTPUT_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Classified:
    """The judgement for the decision, and the classifier's whole answer for whoever asks; None where there was none."""

    judgement: Judgement
    answer: pb.Classification | None


class Classify:
    """The classifier as the router sees it."""

    def __init__(self, channel: aio.Channel, health: Health) -> None:
        self._stub: ClassifierServiceAsyncStub = ClassifierServiceStub(channel)
        self._health = health
        self._failures = 0

    async def __call__(self, prompt: Prompt, *, timeout_s: float, confidence_bar: float) -> Classified:
        """Judges `prompt`; where the classifier is silent, late or unsure the judgement's `fallback` says so."""
        try:
            response = await self._stub.Classify(
                pb.ClassifyRequest(prompt=prompt),
                timeout=timeout_s,
                metadata=tracing.outgoing(),
            )
        except aio.AioRpcError as error:
            reason = f"classifier {error.code().name.lower().replace('_', ' ')}"
            return await self._without(prompt, reason, error.details() or reason)
        if undecodable(response):
            return await self._without(prompt, "classifier not understood", "its answer is no ClassifyResponse")
        self._failures = 0
        await self._health.report(COMPONENT, True)
        found = response.classification
        fallback = ""
        # So written that a number that is none counts as unsure.
        if not (found.confidence >= confidence_bar and 0 <= found.complexity <= 1):
            fallback = f"classifier unsure, confidence {found.confidence:.2f}"
        judgement = Judgement(
            intent=found.intents[0].intent if found.intents else "",
            complexity=0.0 if fallback else found.complexity,
            input_tokens=found.estimated_input_tokens or _count_input(prompt),
            output_tokens=found.estimated_output_tokens or DEFAULT_OUTPUT_TOKENS,
            fallback=fallback,
            chances=None if fallback else _chances(found),
            confidence=found.confidence,
            language=found.language_code,
            routes=frozenset(match.route for match in found.routes if match.matched),
        )
        return Classified(judgement, found)

    async def _without(self, prompt: Prompt, reason: str, detail: str) -> Classified:
        self._failures += 1
        if self._failures >= FAILURES_TO_REPORT:
            await self._health.report(COMPONENT, False, detail)
        return Classified(_default(prompt, reason), None)


def _chances(found: pb.Classification) -> Chances | None:
    """None where a classifier tells none, or tells what are no probabilities."""
    right = found.right
    chances = Chances(right.small, right.medium, right.frontier)
    return chances if found.HasField("right") and all(0 <= chance <= 1 for chance in chances) else None


def _default(prompt: Prompt, reason: str) -> Judgement:
    return Judgement(
        input_tokens=_count_input(prompt),
        output_tokens=DEFAULT_OUTPUT_TOKENS,
        fallback=reason,
    )


def _count_input(prompt: Prompt) -> int:
    """From the encoded size, which is close to the number of characters and costs nothing to know; media count for themselves."""
    media = [part.media.ByteSize() for turn in prompt.turns for part in turn.parts if part.HasField("media")]
    return max(1, (prompt.ByteSize() - sum(media)) // BYTES_PER_TOKEN + TOKENS_PER_MEDIA * len(media))
