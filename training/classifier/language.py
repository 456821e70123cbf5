"""Builds the language table from the n-gram counts that the package langdetect carries (Apache-2.0, from Wikipedia)."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.language import LanguageTable, hash_codes

BUCKETS = 32768
# Told by their script alone; see services/classifier/language.py.
SCRIPT_LANGUAGES = ("zh-cn", "zh-tw", "ja", "ko", "th", "he", "el")
# Added to every share, so that one n-gram a profile lacks does not decide.
SMOOTHING = 2e-5
# Profiles count all of a Wikipedia; what people type to a model is mostly in a few languages.
PRIOR = {"en": 3.0, "de": 1.0, "fr": 1.0, "es": 1.0, "pt": 0.7, "it": 0.7, "ru": 1.0, "zh": 1.0, "ja": 0.5, "nl": 0.3}


class ProfilesMissingError(Exception):
    """The package with the n-gram profiles is not installed."""


def build_table() -> LanguageTable:
    """Hash every profile's counts into log-probabilities. Raises ProfilesMissingError."""
    spec = importlib.util.find_spec("langdetect")
    if spec is None or spec.origin is None:
        raise ProfilesMissingError("langdetect is missing: pip install -r training/requirements.lock")
    counts: dict[str, NDArray[np.float64]] = {}
    for path in sorted((Path(spec.origin).parent / "profiles").iterdir()):
        if path.name in SCRIPT_LANGUAGES:
            continue
        counts[path.name] = _counts(json.loads(path.read_text("utf-8")))
    codes = tuple(counts)
    table = np.stack([counts[code] for code in codes], axis=1)
    log = np.log(table + SMOOTHING) - np.log(SMOOTHING)
    prior = np.array([PRIOR.get(code, 0.0) for code in codes], dtype=np.float32)
    return LanguageTable(codes, log.astype(np.float32), prior, 0.0)


def _counts(profile: dict[str, object]) -> NDArray[np.float64]:
    frequency: dict[str, int] = profile["freq"]  # type: ignore[assignment]
    totals: list[int] = profile["n_words"]  # type: ignore[assignment]
    row = np.zeros(BUCKETS)
    for gram, count in frequency.items():
        columns = np.array([[ord(c)] for c in gram.lower()], dtype=np.int64)
        row[hash_codes(columns, BUCKETS)[0]] += count / totals[len(gram) - 1]
    return row


def with_threshold(
    table: LanguageTable, texts: Sequence[str], codes: Sequence[str], precision: float = 0.97
) -> LanguageTable:
    """Choose the least posterior at which guesses on prompts of known language are this precise."""
    guesses = [table.best(text) for text in texts]
    for threshold in np.linspace(0.4, 0.999, 120):
        spoken = [
            (guess, code) for (guess, probability), code in zip(guesses, codes, strict=True) if probability >= threshold
        ]
        if spoken and sum(guess == code for guess, code in spoken) / len(spoken) >= precision:
            return replace(table, confident_above=float(threshold))
    return replace(table, confident_above=0.999)


def save(table: LanguageTable, path: Path) -> None:
    """Write as npz with int8 log-probabilities."""
    scale = float(table.log_probability.max()) / 127
    np.savez_compressed(
        path, codes=np.array(table.codes), rows=np.round(table.log_probability / scale).astype(np.int8),
        scale=np.float32(scale), prior=table.prior, confident_above=np.float32(table.confident_above),
    )  # fmt: skip
