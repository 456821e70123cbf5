"""What a folder of model files holds, and the proof that they are the files it was written for."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.classifier.features import FEATURE_NAMES, CharacterClass
from services.classifier.window_tokens import TAIL_TOKENS, WINDOW_TOKENS

FILE_NAME = "manifest.json"
FORMAT = 2
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class ModelFilesError(Exception):
    """A folder of model files cannot be used; the message names the file and what was expected."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RightCalibration(_Part):
    """P(right) = sigmoid(scale * logit + shift)."""

    scale: float
    shift: float


class ConfidenceCalibration(_Part):
    """How far a judgement can be believed.

    confidence = sigmoid(intercept + margin * |2 P(small is right) - 1|) * support
    support = sigmoid((similarity - support_midpoint) / support_scale)

    `similarity` is the cosine to the nearest centroid of the training data's embeddings; without centroids support is 1.
    """

    intercept: float
    margin: float
    support_midpoint: float
    support_scale: Annotated[float, Field(gt=0)]


class TierManifest(_Part):
    """One ONNX file and how its logits become probabilities; `right` has a small, a medium and a frontier model."""

    file: FileName
    intent_temperature: Annotated[float, Field(gt=0)]
    right: Annotated[list[RightCalibration], Field(min_length=3, max_length=3)]
    confidence: ConfidenceCalibration
    # Of the output `embedding`; None for a model without one, which then has no routes, no adapter and no distance.
    embedding_dimensions: Annotated[int, Field(ge=1, le=4096)] | None = None


class OutputLength(_Part):
    """Length of an answer, log-normal: median `base + per_input_token * tokens of the prompt`, deviation `spread` of its logarithm."""

    base: Annotated[float, Field(ge=0)]
    per_input_token: Annotated[float, Field(ge=0)]
    spread: Annotated[float, Field(ge=0, le=5)]


class FastSuffices(_Part):
    """Whether the encoder would agree with the fast tier, and how likely it must be for the fast answer to stand.

    P(agrees) = sigmoid(intercept + intent * P(likeliest intent) + complexity * complexity + support * support)
    """

    intercept: float
    intent: float
    complexity: float
    support: float
    above: Annotated[float, Field(ge=0, le=1)]


class TokenizerManifest(_Part):
    """An uncased word-piece tokeniser in the `tokenizers` format, and the window that the models were trained on."""

    file: FileName
    window_tokens: int
    tail_tokens: int


class Manifest(_Part):
    """`manifest.json`. `training` and `metrics` are for readers; nothing acts on them."""

    format: int
    revision: Annotated[str, Field(min_length=1, max_length=64)]
    taxonomy: Annotated[list[str], Field(min_length=2)]
    features: list[str]
    tokenizer: TokenizerManifest
    fast: TierManifest
    encoder: TierManifest | None
    fast_suffices: FastSuffices
    tokens_per_character: list[Annotated[float, Field(ge=0)]]
    output_tokens: dict[str, OutputLength]
    language_file: FileName
    # Centroids of the training data's embeddings, arrays `fast` and `encoder` of shape (K, D).
    support_file: FileName | None = None
    # Corrections of both tiers' logits from an operator's own outcomes; see adapter.py.
    adapter_file: FileName | None = None
    files: dict[FileName, Sha256]
    training: dict[str, object]
    metrics: dict[str, object]

    @model_validator(mode="after")
    def _fits_this_code(self) -> "Manifest":
        if self.format != FORMAT:
            raise ValueError(f"format: expected {FORMAT}, found {self.format}")
        if tuple(self.features) != FEATURE_NAMES:
            raise ValueError(f"features: expected {', '.join(FEATURE_NAMES)}")
        if (self.tokenizer.window_tokens, self.tokenizer.tail_tokens) != (WINDOW_TOKENS, TAIL_TOKENS):
            raise ValueError(f"tokenizer: expected a window of {WINDOW_TOKENS} tokens with a tail of {TAIL_TOKENS}")
        if len(self.tokens_per_character) != len(CharacterClass):
            raise ValueError(f"tokens_per_character: expected {len(CharacterClass)} rates")
        if set(self.output_tokens) != set(self.taxonomy):
            raise ValueError("output_tokens: expected one entry for each intent of the taxonomy")
        optional = (self.encoder.file if self.encoder else None, self.support_file, self.adapter_file)
        wanted = {self.tokenizer.file, self.fast.file, self.language_file, *(name for name in optional if name)}
        if missing := wanted - set(self.files):
            raise ValueError(f"files: expected a sha256 for {', '.join(sorted(missing))}")
        return self


def read_manifest(directory: Path) -> Manifest:
    """Read and check a manifest and the digest of every file it lists.

    Raises ModelFilesError.
    """
    path = directory / FILE_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelFilesError(f"{path}: expected a readable manifest ({error.strerror})") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'manifest'}: {p['msg']}" for p in error.errors())
        raise ModelFilesError(f"{path}: {problems}") from error
    for name, expected in manifest.files.items():
        try:
            found = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelFilesError(f"{directory / name}: expected a readable file ({error.strerror})") from error
        if found != expected:
            raise ModelFilesError(
                f"{directory / name}: expected sha256 {expected}, found {found}; the file is not the manifest's"
            )
    return manifest


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write the manifest beside its files."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=False)
    (directory / FILE_NAME).write_text(text + "\n", "utf-8")
