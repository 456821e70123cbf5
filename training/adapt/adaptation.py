"""From embedded rows to everything that a new manifest and its adapter file say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.adapter import Adapter
from services.classifier.judgement import Tier
from services.classifier.manifest import Manifest, OutputLength, RightCalibration, TierManifest
from training.adapt.crossfit import LEAST_ROWS, OUTER_FOLDS
from training.adapt.embed import Embedded, Seen
from training.adapt.figures import LengthFigures, length_figures
from training.adapt.heads import Head, fit_intents, fit_right, intent_chances
from training.adapt.lengths import fit_lengths, mixed_lengths
from training.adapt.logistic import Matrix
from training.adapt.records import CAPABILITY_TIERS, Record

INTENT = "intent"
# A head whose logits the base hardly heeds cannot be corrected through them.
LEAST_SCALE = 1e-3


@dataclass(frozen=True, slots=True)
class Lengths:
    """Refitted lengths, in the taxonomy's order, and how good they were and are on prompts held out."""

    fitted: tuple[OutputLength, ...]
    rows: int
    before: LengthFigures
    after: LengthFigures

    @property
    def better(self) -> bool:
        """Whether they are worth having."""
        return self.after.log_loss < self.before.log_loss


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Heads by tier and name (`intent`, `small`, `medium`, `frontier`), where there are enough rows; the lengths likewise."""

    heads: dict[tuple[Tier, str], Head]
    lengths: Lengths | None

    @property
    def changed(self) -> bool:
        """Whether anything is learned."""
        return any(h.changed for h in self.heads.values()) or (self.lengths is not None and self.lengths.better)

    @property
    def log_loss_change(self) -> float:
        """By how much the log-loss of a row and head changes on average, held out; above 0 it got worse."""
        rows = sum(head.rows for head in self.heads.values())
        change = sum(head.rows * (head.after.log_loss - head.before.log_loss) for head in self.heads.values())
        return change / max(rows, 1)

    def without_worse(self) -> "Adaptation":
        """Return it with the base's head wherever the new one does worse."""
        return Adaptation({name: head for name, head in self.heads.items() if not head.worse}, self.lengths)


def count_steps(embedded: Embedded, rows: Sequence[Record]) -> int:
    """How often `adapt` will advance."""
    heads = (len(_with_intent(rows)), *(len(_of_tier(rows, t)) for t in range(len(CAPABILITY_TIERS))))
    return len(embedded.tiers) * (OUTER_FOLDS + 1) * sum(count >= LEAST_ROWS for count in heads)


def adapt(
    manifest: Manifest, embedded: Embedded, rows: Sequence[Record], advance: Callable[[], None] = lambda: None
) -> Adaptation:
    """Fit all that the rows suffice for."""
    heads: dict[tuple[Tier, str], Head] = {}
    for tier, seen in embedded.tiers.items():
        part = _part(manifest, tier)
        chosen = _with_intent(rows)
        if len(chosen) >= LEAST_ROWS:
            logits = seen.intent[chosen] / part.intent_temperature
            target = _one_hot([rows[i].intent for i in chosen], len(manifest.taxonomy))
            heads[tier, INTENT] = fit_intents(
                seen.design[chosen], logits, target, seen.anchors, embedded.ranks[chosen], advance
            )
        for column, name in enumerate(CAPABILITY_TIERS):
            chosen, calibration = _of_tier(rows, column), part.right[column]
            if len(chosen) >= LEAST_ROWS and abs(calibration.scale) >= LEAST_SCALE:
                logits = calibration.scale * seen.right[chosen, column : column + 1] + calibration.shift
                target = np.array([[rows[i].right] for i in chosen], dtype=np.float64)
                heads[tier, name] = fit_right(
                    seen.design[chosen], logits, target, seen.anchors, embedded.ranks[chosen], advance
                )
    return Adaptation(heads, _adapt_lengths(manifest, embedded, rows, heads))


def adapters(manifest: Manifest, found: Adaptation, embedded: Embedded) -> dict[str, Adapter]:
    """Return each tier's corrections as they are added to raw logits."""
    return {tier.value: _adapter(_part(manifest, tier), tier, found, seen) for tier, seen in embedded.tiers.items()}


def calibrated(part: TierManifest, tier: Tier, found: Adaptation) -> TierManifest:
    """Return a tier's part of the manifest with what was recalibrated."""
    intent = found.heads.get((tier, INTENT))
    right = []
    for name, old in zip(CAPABILITY_TIERS, part.right, strict=True):
        head = found.heads.get((tier, name))
        scale, shift = (head.scale, head.shift) if head else (1.0, 0.0)
        right.append(RightCalibration(scale=scale * old.scale, shift=scale * old.shift + shift))
    temperature = part.intent_temperature / (intent.scale if intent else 1.0)
    return part.model_copy(update={"intent_temperature": temperature, "right": right})


def _adapter(part: TierManifest, tier: Tier, found: Adaptation, seen: Seen) -> Adapter:
    wide = seen.design.shape[1]
    intent, right = np.zeros((wide, seen.intent.shape[1])), np.zeros((wide, len(CAPABILITY_TIERS)))
    if head := found.heads.get((tier, INTENT)):
        intent = head.correction.weights * part.intent_temperature
    for column, name in enumerate(CAPABILITY_TIERS):
        if head := found.heads.get((tier, name)):
            right[:, column] = head.correction.weights[:, 0] / part.right[column].scale
    narrow = (array.astype(np.float32) for array in (intent[:-1], intent[-1], right[:-1], right[-1]))
    return Adapter(*narrow)


def _adapt_lengths(
    manifest: Manifest, embedded: Embedded, rows: Sequence[Record], heads: dict[tuple[Tier, str], Head]
) -> Lengths | None:
    chosen = np.array([i for i, row in enumerate(rows) if row.output_tokens is not None], dtype=np.int64)
    if len(chosen) < LEAST_ROWS:
        return None
    tier = Tier.ENCODER if Tier.ENCODER in embedded.tiers else Tier.FAST
    old = [manifest.output_tokens[name] for name in manifest.taxonomy]
    before, after = _chances(manifest, embedded, rows, tier, heads.get((tier, INTENT)))
    share = after.copy()
    for index in _with_intent(rows):
        share[index] = _one_hot([rows[index].intent], len(manifest.taxonomy))[0]
    share, before, after = share[chosen], before[chosen], after[chosen]
    tokens, ranks = embedded.input_tokens[chosen], embedded.ranks[chosen]
    logs = np.log([float(rows[i].output_tokens or 1) for i in chosen])
    mean, deviation = np.zeros(len(chosen)), np.ones(len(chosen))
    for fold in range(OUTER_FOLDS):
        held = ranks % OUTER_FOLDS == fold
        fitted = fit_lengths(old, share[~held], tokens[~held], logs[~held])
        mean[held], deviation[held] = mixed_lengths(fitted, after[held], tokens[held])
    return Lengths(
        tuple(fit_lengths(old, share, tokens, logs)),
        len(chosen),
        length_figures(logs, *mixed_lengths(old, before, tokens)),
        length_figures(logs, mean, deviation),
    )


def _chances(
    manifest: Manifest, embedded: Embedded, rows: Sequence[Record], tier: Tier, head: Head | None
) -> tuple[Matrix, Matrix]:
    """Intents' probabilities (N, C) of all rows: the base's, and the corrected, held out where the row was fitted to."""
    seen = embedded.tiers[tier]
    logits = seen.intent / _part(manifest, tier).intent_temperature
    if head is None:
        return intent_chances(logits), intent_chances(logits)
    corrected = head.scale * (logits + seen.design @ head.correction.weights)
    corrected[_with_intent(rows)] = head.held_out
    return intent_chances(logits), intent_chances(corrected)


def _part(manifest: Manifest, tier: Tier) -> TierManifest:
    part = manifest.fast if tier is Tier.FAST else manifest.encoder
    assert part is not None
    return part


def _with_intent(rows: Sequence[Record]) -> NDArray[np.int64]:
    return np.array([i for i, row in enumerate(rows) if row.intent is not None], dtype=np.int64)


def _of_tier(rows: Sequence[Record], tier: int) -> NDArray[np.int64]:
    return np.array([i for i, row in enumerate(rows) if row.tier == tier], dtype=np.int64)


def _one_hot(intents: Sequence[int | None], classes: int) -> Matrix:
    found: Matrix = np.eye(classes)[np.array(intents, dtype=np.int64)]
    return found
