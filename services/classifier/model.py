"""One loaded revision of the classifier: its files, and a prompt's way through them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.classifier.features import count_characters, estimate_tokens, script_code, surface_features, window
from services.classifier.judgement import Judgement, PromptFacts, Tier
from services.classifier.language import LanguageTable
from services.classifier.manifest import ModelFilesError, read_manifest
from services.classifier.tier_model import TierModel
from services.classifier.window_tokens import UNKNOWN, WindowTokenizer

SHIPPED_MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt as the tiers read it: token ids, surface features of shape (F,), and what needs no model."""

    token_ids: list[int]
    features: NDArray[np.float32]
    facts: PromptFacts


class ClassifierModel:
    """All files of one manifest, verified and ready. Calls block; each method belongs to one thread at a time."""

    def __init__(self, directory: Path, *, threads: int, with_encoder: bool) -> None:
        """Load a folder. Raises ModelFilesError naming the file that is wrong."""
        self.manifest = read_manifest(directory)
        manifest = self.manifest
        try:
            tokenizer = Tokenizer.from_file(str(directory / manifest.tokenizer.file))
        except Exception as error:
            raise ModelFilesError(
                f"{directory / manifest.tokenizer.file}: expected a tokenizer file ({error})"
            ) from error
        self._tokenizer = WindowTokenizer(tokenizer)
        self._language = _load_language(directory / manifest.language_file)
        self._rates = np.array(manifest.tokens_per_character)
        self.fast = TierModel(directory, manifest, Tier.FAST, threads=1)
        self.encoder = TierModel(directory, manifest, Tier.ENCODER, threads) if with_encoder else None

    @property
    def revision(self) -> str:
        """The revision that answers carry."""
        return self.manifest.revision

    def prepare(
        self, text: str, more_text: str = "", more_tokens: int = 0, spoken: str | None = None
    ) -> PreparedPrompt:
        """Read `text` once; `more_text` and `more_tokens` only count as input.

        The language is that of `spoken`, what the user wrote, where that is but a part of the text.
        """
        cut, counts = window(text), count_characters(text)
        ids = self._tokenizer.token_ids(cut)
        content = len(ids) - 2
        input_tokens = more_tokens + estimate_tokens(counts, self._rates)
        if more_text:
            input_tokens += estimate_tokens(count_characters(more_text), self._rates)
        facts = PromptFacts(
            input_tokens=input_tokens,
            language_code=self._language.guess(cut.head if spoken is None else spoken),
            script_code=script_code(counts, cut),
            known_share=1 - ids.count(UNKNOWN) / content if content > 0 else 0.0,
        )
        return PreparedPrompt(ids, surface_features(counts, cut), facts)

    def judge_fast(self, prompt: PreparedPrompt) -> Judgement:
        """Ask the fast tier about one prompt."""
        return self.judge_fast_batch([prompt])[0]

    def judge_fast_batch(self, prompts: Sequence[PreparedPrompt]) -> list[Judgement]:
        """Ask the fast tier about a batch."""
        return _judge_batch(self.fast, prompts)

    def judge_encoder(self, prompts: Sequence[PreparedPrompt]) -> list[Judgement]:
        """Ask the encoder about a batch; only where it was loaded."""
        assert self.encoder is not None
        return _judge_batch(self.encoder, prompts)

    def fast_suffices(self, fast: Judgement) -> bool:
        """Whether the encoder would hardly say anything else."""
        rule = self.manifest.fast_suffices
        score = rule.intercept + rule.intent * fast.intents[0][1] + rule.complexity * fast.complexity
        score += rule.support * fast.support
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, score)))) >= rule.above


def _judge_batch(tier: TierModel, prompts: Sequence[PreparedPrompt]) -> list[Judgement]:
    features = np.stack([p.features for p in prompts])
    return tier.judge([p.token_ids for p in prompts], features, [p.facts for p in prompts])


def _load_language(path: Path) -> LanguageTable:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return LanguageTable(
                codes=tuple(str(code) for code in stored["codes"]),
                log_probability=stored["rows"].astype(np.float32) * stored["scale"],
                prior=stored["prior"],
                confident_above=float(stored["confident_above"]),
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelFilesError(f"{path}: expected a language table ({error})") from error
