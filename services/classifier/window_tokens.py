"""Tokenises a cut prompt to the ids that both tiers read."""

from typing import Protocol

from services.classifier.features import PromptWindow

# [CLS] head [SEP], or [CLS] head [SEP] tail [SEP] when the middle was left out or the head alone is too long.
WINDOW_TOKENS = 128
TAIL_TOKENS = 38
UNKNOWN, CLS, SEP = 100, 101, 102


class _Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...


class _Tokenizer(Protocol):
    def encode(self, sequence: str, *, add_special_tokens: bool = True) -> _Encoding: ...

    def no_padding(self) -> None: ...

    def no_truncation(self) -> None: ...


class WindowTokenizer:
    """Wraps an uncased word-piece tokeniser; safe to call from one thread at a time."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    def token_ids(self, cut: PromptWindow) -> list[int]:
        """Return at most WINDOW_TOKENS ids: all of a short prompt, else its first 90 and last 38 or so."""
        head = self._tokenizer.encode(cut.head, add_special_tokens=False).ids
        tail = self._tokenizer.encode(cut.tail, add_special_tokens=False).ids if cut.tail else []
        if not tail and len(head) <= WINDOW_TOKENS - 2:
            return [CLS, *head, SEP]
        if not tail:
            head, tail = head[:-TAIL_TOKENS], head[-TAIL_TOKENS:]
        tail = tail[-(TAIL_TOKENS - 1) :]
        return [CLS, *head[: WINDOW_TOKENS - 3 - len(tail)], SEP, *tail, SEP]
