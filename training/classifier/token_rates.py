"""Fits how many tokens a character of each class costs, against the tokeniser of a current multilingual model.

The vocabulary is Qwen's byte-pair encoding (Apache-2.0), which the package dashscope carries.
"""

import base64
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tiktoken
from numpy.typing import NDArray
from scipy.optimize import nnls

from services.classifier.features import CharacterClass, count_characters

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# What a class costs where too little text was seen to fit it; pulls the fit with a weight of `_PRIOR_CHARACTERS`.
_PRIOR = {
    CharacterClass.LATIN: 0.22, CharacterClass.DIGIT: 1.0, CharacterClass.SPACE: 0.02, CharacterClass.NEWLINE: 0.3,
    CharacterClass.PUNCTUATION: 0.8, CharacterClass.CODE_SYMBOL: 0.6, CharacterClass.LATIN_EXTENDED: 0.6,
    CharacterClass.GREEK: 0.6, CharacterClass.CYRILLIC: 0.35, CharacterClass.HEBREW: 0.55, CharacterClass.ARABIC: 0.5,
    CharacterClass.INDIC: 0.9, CharacterClass.THAI: 0.6, CharacterClass.HANGUL: 0.7, CharacterClass.KANA: 0.75,
    CharacterClass.HAN: 0.7, CharacterClass.EMOJI: 2.0, CharacterClass.CONTROL: 1.0, CharacterClass.OTHER: 1.0,
}  # fmt: skip
_PRIOR_CHARACTERS = 60.0


class VocabularyMissingError(Exception):
    """The package with the vocabulary is not installed."""


@dataclass(frozen=True, slots=True)
class TokenRates:
    """Tokens per character by class, and the median of |estimate / truth - 1| on texts that were not fitted."""

    rates: NDArray[np.float64]
    median_error: float


def fit_rates(texts: Sequence[str]) -> TokenRates:
    """Fit on three quarters of the texts, measure on the rest. Raises VocabularyMissingError."""
    encoding = _encoding()
    counts = np.stack([count_characters(text).by_class for text in texts])
    truth = np.array([len(encoding.encode(text, disallowed_special=())) for text in texts], dtype=np.float64)
    fitted = np.arange(len(texts)) % 4 != 0
    # Relative errors matter, so each text weighs the same whatever its length.
    weight = 1 / np.maximum(truth, 4)
    prior = np.array([_PRIOR[kind] for kind in CharacterClass])
    pull = np.full(len(prior), _PRIOR_CHARACTERS / np.median(truth))
    rows = np.vstack([counts[fitted] * weight[fitted, None], np.diag(pull)])
    target = np.concatenate([truth[fitted] * weight[fitted], pull * prior])
    rates, _ = nnls(rows, target)
    held = ~fitted & (truth >= 8)
    error = np.abs(counts[held] @ rates / truth[held] - 1)
    return TokenRates(rates, float(np.median(error)))


def _encoding() -> tiktoken.Encoding:
    spec = importlib.util.find_spec("dashscope")
    if spec is None or spec.origin is None:
        raise VocabularyMissingError("dashscope is missing: pip install --no-deps dashscope")
    lines = (Path(spec.origin).parent / "resources" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    return tiktoken.Encoding("qwen", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})
