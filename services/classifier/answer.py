"""What is asked of the service's core, and what it answers."""

from dataclasses import dataclass
from enum import Enum

from services.classifier.counters import Degradation
from services.classifier.judgement import Judgement


class TierWish(Enum):
    """What is asked for: the fast tier, the encoder wherever time allows, or the encoder where the fast tier is unsure."""

    FAST = "fast"
    ENCODER = "encoder"
    AUTO = "auto"


class QueueFull(Exception):
    """More prompts wait for the fast tier than its queue may hold."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A judgement, the revision of the model that made it, and why it is not the tier's that was wished for (None: it is)."""

    judgement: Judgement
    revision: str
    degraded: Degradation | None = None
    from_cache: bool = False
