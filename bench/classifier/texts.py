"""Prompts of a known length that nobody asked before: words that the tokeniser has, drawn with a seed."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# [CLS] and [SEP] are counted among a prompt's tokens.
SPECIAL_TOKENS = 2
# Words of this length keep 126 of them within the window's characters.
SHORTEST, LONGEST = 3, 5

# A mean of 70 tokens, as the prompts of users have in LMSYS-Chat-1M (arXiv 2309.11998).
MEDIAN_TOKENS, SPREAD = 32, 1.25
FEWEST_TOKENS, MOST_TOKENS = 4, 2_048


@dataclass(frozen=True, slots=True)
class Words:
    """Words that are one token each."""

    known: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: Path) -> "Words":
        """Read them from a tokenizer file."""
        vocabulary: dict[str, int] = json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]
        return cls(tuple(w for w in vocabulary if w.isascii() and w.isalpha() and SHORTEST <= len(w) <= LONGEST))

    def text(self, tokens: int, rng: np.random.Generator) -> str:
        """Make a prompt of so many tokens."""
        return " ".join(self.known[i] for i in rng.integers(0, len(self.known), tokens - SPECIAL_TOKENS))

    def mixed(self, count: int, rng: np.random.Generator) -> list[str]:
        """Make prompts of mixed lengths: log-normal, half of them below 32 tokens, one in eight beyond the window."""
        tokens = np.clip(MEDIAN_TOKENS * np.exp(rng.normal(0, SPREAD, count)), FEWEST_TOKENS, MOST_TOKENS)
        return [self.text(int(length), rng) for length in tokens]
