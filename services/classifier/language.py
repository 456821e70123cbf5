"""Guesses the language of a text from its characters' one-, two- and three-grams.

A naive Bayes over hashed n-grams; the table is learned in training. It prefers silence to a wrong guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from services.classifier.features import LETTER_CLASSES, CharacterClass, count_characters

READ_CHARACTERS = 160
LEAST_LETTERS = 4
# n-grams overlap, so each counts for less than an independent observation.
EVIDENCE_SHARE = 0.35
_ONE_LANGUAGE_SCRIPTS = {
    CharacterClass.HANGUL: "ko",
    CharacterClass.THAI: "th",
    CharacterClass.HEBREW: "he",
    CharacterClass.GREEK: "el",
}
_MULTIPLIERS = (1, 31_337, 982_451)
# What n-grams of ASCII text are made of.
_LETTERS = " abcdefghijklmnopqrstuvwxyz"
_TO_LETTERS = "".join(c.lower() if c.isalpha() else " " for c in map(chr, range(128)))
_LETTER_INDEX = np.array([max(_LETTERS.find(chr(code)), 0) for code in range(128)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LanguageTable:
    """Log-probabilities of hashed n-grams: `codes` has L BCP 47 tags, `log_probability` the shape (buckets, L)."""

    codes: tuple[str, ...]
    log_probability: NDArray[np.float32]
    prior: NDArray[np.float32]
    confident_above: float

    def guess(self, text: str) -> str:
        """Return the BCP 47 tag of the language, or "" when unsure."""
        code, probability = self.best(text)
        return code if probability >= self.confident_above else ""

    def best(self, text: str) -> tuple[str, float]:
        """Return the likeliest tag and its probability; ("", 0.0) where there are too few letters."""
        if scripted := language_of_script(text):
            return scripted, 1.0
        rows = ngram_buckets(text, self.log_probability.shape[0])
        if rows.size == 0:
            return "", 0.0
        evidence = self.log_probability[rows].sum(axis=0) * EVIDENCE_SHARE + self.prior
        odds = np.exp(evidence - evidence.max())
        top = int(odds.argmax())
        return self.codes[top], float(odds[top] / odds.sum())


def language_of_script(text: str) -> str:
    """Return the language whose script makes up a good part of the letters, where a script has one language; else ""."""
    if text[:READ_CHARACTERS].isascii():
        return ""
    counts = count_characters(text[:READ_CHARACTERS]).by_class
    letters = counts[list(LETTER_CLASSES)].sum()
    kana, han = counts[CharacterClass.KANA], counts[CharacterClass.HAN]
    # Han characters carry more per character than letters do: a few outweigh many Latin ones.
    if 3 * (kana + han) > letters and kana + han >= 1:
        return "ja" if kana > 0.1 * (kana + han) else "zh"
    for kind, code in _ONE_LANGUAGE_SCRIPTS.items():
        if counts[kind] >= 2 and 2 * counts[kind] > letters:
            return code
    return ""


def ngram_buckets(text: str, buckets: int) -> NDArray[np.int64]:
    """Hash the n-grams of the first letters of a text; empty where there are too few letters."""
    if text[:READ_CHARACTERS].isascii():
        return _ascii_buckets(text[:READ_CHARACTERS], buckets)
    letters = "".join(
        c if c.isalpha() or (not c.isascii() and c.isprintable()) else " " for c in text[:READ_CHARACTERS].lower()
    )
    words = " ".join(letters.split())
    if sum(c.isalpha() for c in words) < LEAST_LETTERS and words.isascii():
        return np.empty(0, dtype=np.int64)
    if not any(c.isalpha() for c in words):
        return np.empty(0, dtype=np.int64)
    padded = f" {words} "
    codes = np.frombuffer(padded.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.int64)
    grams = ([codes[i : len(codes) - n + 1 + i] for i in range(n)] for n in (1, 2, 3))
    return np.concatenate([hash_codes(columns, buckets) for columns in grams])


def _ascii_buckets(text: str, buckets: int) -> NDArray[np.int64]:
    """The same in a quarter of the time: ASCII has few enough n-grams to know the bucket of each."""
    words = " ".join(text.translate(_TO_LETTERS).split())
    if len(words) - words.count(" ") < LEAST_LETTERS:
        return np.empty(0, dtype=np.int64)
    ones = _LETTER_INDEX[np.frombuffer(f" {words} ".encode("ascii"), dtype=np.uint8)]
    twos = ones[:-1] * len(_LETTERS) + ones[1:]
    threes = twos[:-1] * len(_LETTERS) + ones[2:]
    bucket_of_one, bucket_of_two, bucket_of_three = _letter_buckets(buckets)
    return np.concatenate([bucket_of_one[ones], bucket_of_two[twos], bucket_of_three[threes]])


@cache
def _letter_buckets(buckets: int) -> list[NDArray[np.int64]]:
    """Buckets of all one-, two- and three-grams of _LETTERS, in lexical order."""
    found = []
    for n in (1, 2, 3):
        grams = np.array([[ord(c) for c in gram] for gram in product(_LETTERS, repeat=n)], dtype=np.int64)
        found.append(hash_codes([*grams.T], buckets))
    return found


def hash_codes(columns: Sequence[NDArray[np.int64]], buckets: int) -> NDArray[np.int64]:
    """Hash n-grams given as n rows of code points to a bucket each."""
    mixed = np.full(len(columns[0]), len(columns) * 7_368_787, dtype=np.int64)
    for row, multiplier in zip(columns, _MULTIPLIERS, strict=False):
        mixed = (mixed * 131 + row * multiplier) & 0xFFFFFFFF
    mixed ^= mixed >> 15
    result: NDArray[np.int64] = mixed % buckets
    return result
