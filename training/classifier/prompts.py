"""Generates ordinary, short and messy user prompts from `prompts.yaml`, which public collections lack."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.classifier.noise import misspell

_SLOT = re.compile(r"\{(\w+)\}")
_OPENERS = (
    "",
    "",
    "",
    "",
    "",
    "hey ",
    "hi, ",
    "please ",
    "pls ",
    "can you ",
    "could you ",
    "quick question: ",
    "i need help. ",
    "so ",
)
_CLOSERS = (
    "",
    "",
    "",
    "",
    "",
    "",
    " thanks",
    " thx!",
    " please",
    "!!",
    " asap",
    "...",
    " :)",
    " Thank you in advance.",
)


@dataclass(frozen=True, slots=True)
class GeneratedPrompt:
    """A prompt made up here: its kind of work, the level it was written for, its group and pattern."""

    text: str
    intent: str
    level: str
    language: str
    group: str
    pattern: str

    @property
    def sure_language(self) -> str:
        """The language, where no slot may have brought in another; "" otherwise."""
        return self.language if self.language == "en" or "{" not in self.pattern else ""


class PromptGenerator:
    """Fills patterns with slots and payload, then roughs the text up as people do."""

    def __init__(self, path: Path, passages: Sequence[str], rng: random.Random) -> None:
        content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        self._slots: dict[str, list[str]] = content["slots"]
        self._groups: list[dict[str, Any]] = content["groups"]
        self._passages = passages
        self._rng = rng

    def generate(self, per_group: int) -> list[GeneratedPrompt]:
        """Make about `per_group` different prompts for each group, half of them English."""
        made: dict[str, GeneratedPrompt] = {}
        for index, group in enumerate(self._groups):
            by_language: dict[str, list[str]] = group["patterns"]
            others = [(code, p) for code, ps in by_language.items() if code != "en" for p in ps]
            for _ in range(per_group):
                use_english = not others or self._rng.random() < 0.62
                language, pattern = (
                    ("en", self._rng.choice(by_language["en"])) if use_english else self._rng.choice(others)
                )
                text = self._rough_up(self._fill(pattern), language)
                made.setdefault(
                    text,
                    GeneratedPrompt(
                        text, group["intent"], group["level"], language, f"own/{index}/{pattern[:40]}", pattern
                    ),
                )
        return list(made.values())

    def _fill(self, pattern: str) -> str:
        for _ in range(3):
            pattern = _SLOT.sub(self._slot, pattern)
        return pattern

    def _slot(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if name in self._slots:
            return self._rng.choice(self._slots[name])
        passage = self._rng.choice(self._passages)
        sentences = [part for part in re.split(r"(?<=[.!?]) ", passage) if len(part) > 15] or [passage]
        if name == "sentence":
            return self._rng.choice(sentences)[:220].replace("{", "(").replace("}", ")")
        if name == "list":
            return "\n".join(f"- {part[:110]}" for part in sentences[: self._rng.randint(2, 6)])
        if name == "passage":
            return passage[: self._rng.choice((200, 400, 800, 1600))].replace("{", "(").replace("}", ")")
        return match.group(0)

    def _rough_up(self, text: str, language: str) -> str:
        rng = self._rng
        if language == "en" and len(text) > 12 and rng.random() < 0.35:
            text = rng.choice(_OPENERS) + text + rng.choice(_CLOSERS)
        if rng.random() < 0.12:
            text = text.rstrip("?.!")
        if rng.random() < 0.15:
            text = misspell(text, 0.04, rng)
        if rng.random() < 0.3:
            text = text[:1].upper() + text[1:]
        return text
