"""One tier of a loaded revision: its ONNX file, the operator's correction, the routes, the calibration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.adapter import load_adapter
from services.classifier.judgement import Judgement, PromptFacts, Tier, judge
from services.classifier.manifest import Manifest, ModelFilesError
from services.classifier.onnx_model import Logits, OnnxModel
from services.classifier.routes import RouteTable
from services.classifier.support import load_centroids


class TierModel:
    """Judges batches. Calls block and belong to one thread at a time."""

    def __init__(self, directory: Path, manifest: Manifest, tier: Tier, threads: int) -> None:
        """Load what the manifest says of one tier.

        Raises ModelFilesError.
        """
        calibration = manifest.fast if tier is Tier.FAST else manifest.encoder
        if calibration is None:
            raise ModelFilesError(f"{directory}: expected an encoder tier; the manifest has the fast tier alone")
        self._tier = tier
        self._calibration = calibration
        self._taxonomy = manifest.taxonomy
        self._output_lengths = [manifest.output_tokens[name] for name in manifest.taxonomy]
        dimensions = calibration.embedding_dimensions
        self._model = OnnxModel(directory / calibration.file, len(manifest.taxonomy), threads, dimensions)
        self._centroids = self._adapter = None
        if manifest.support_file is not None and dimensions is not None:
            self._centroids = load_centroids(directory / manifest.support_file, tier.value, dimensions)
        if manifest.adapter_file is not None:
            self._adapter = load_adapter(
                directory / manifest.adapter_file, tier.value, dimensions, len(manifest.taxonomy)
            )
        self.routes: RouteTable | None = None

    def run(self, token_ids: Sequence[Sequence[int]], features: NDArray[np.float32]) -> Logits:
        """Return corrected logits for rows of token ids and features (B, F). Raises InferenceError."""
        logits = self._model.run(token_ids, features)
        return logits if self._adapter is None else self._adapter.apply(logits)

    def judge(
        self, token_ids: Sequence[Sequence[int]], features: NDArray[np.float32], facts: Sequence[PromptFacts]
    ) -> list[Judgement]:
        """Judge a batch. Raises InferenceError."""
        logits = self.run(token_ids, features)
        similarity: list[float] | list[None] = [None] * len(facts)
        if self._centroids is not None and logits.embedding is not None:
            similarity = self._centroids.nearest(logits.embedding).tolist()
        return [
            judge(
                self._tier,
                logits.intent[row],
                logits.right[row],
                similarity[row],
                self.routes.match(logits.embedding[row]) if self.routes and logits.embedding is not None else (),
                facts[row],
                self._calibration,
                self._taxonomy,
                self._output_lengths,
            )
            for row in range(len(facts))
        ]
