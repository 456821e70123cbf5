"""What is read off a prompt's characters before any model sees it: the window, surface features, script, tokens.

Everything here is pure, ignores letter case and how much white space stands between words, and costs the same for a million
characters as for four thousand: only a bounded sample of a long text is looked at. Training computes its inputs with
these same functions.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

# A window of 128 word pieces holds about this much text; the rest of a prompt is never tokenised.
HEAD_CHARACTERS = 640
TAIL_CHARACTERS = 288
# So much of the text is searched for the window, since runs of white space count as one character.
SEARCH_RATIO = 4
# Longer texts are sampled in three pieces: start, middle, end.
SAMPLE_PIECE_CHARACTERS = 1024
# Longer runs of letters than any word are not words.
WORD_LETTERS = 12
TOKENS_PER_UNBROKEN_LETTER = 0.5


class CharacterClass(IntEnum):
    """Kinds of characters that differ in how many tokens they cost."""

    LATIN = 0
    DIGIT = 1
    SPACE = 2
    NEWLINE = 3
    PUNCTUATION = 4
    CODE_SYMBOL = 5
    LATIN_EXTENDED = 6
    GREEK = 7
    CYRILLIC = 8
    HEBREW = 9
    ARABIC = 10
    INDIC = 11
    THAI = 12
    HANGUL = 13
    KANA = 14
    HAN = 15
    EMOJI = 16
    CONTROL = 17
    OTHER = 18


_ASCII_CODE_SYMBOLS = frozenset("{}[]()<>=+*/\\|&^%$#@~`_;")

# First code point of a block, and its class; a block ends where the next begins. After Unicode's Blocks.txt.
_BLOCKS: tuple[tuple[int, CharacterClass], ...] = (
    (0x80, CharacterClass.CONTROL),
    (0xA0, CharacterClass.OTHER),
    (0xC0, CharacterClass.LATIN_EXTENDED),
    (0x2B0, CharacterClass.OTHER),
    (0x370, CharacterClass.GREEK),
    (0x400, CharacterClass.CYRILLIC),
    (0x530, CharacterClass.OTHER),
    (0x590, CharacterClass.HEBREW),
    (0x600, CharacterClass.ARABIC),
    (0x780, CharacterClass.OTHER),
    (0x900, CharacterClass.INDIC),
    (0xE00, CharacterClass.THAI),
    (0xE80, CharacterClass.OTHER),
    (0x1100, CharacterClass.HANGUL),
    (0x1200, CharacterClass.OTHER),
    (0x1E00, CharacterClass.LATIN_EXTENDED),
    (0x1F00, CharacterClass.GREEK),
    (0x2000, CharacterClass.PUNCTUATION),
    (0x2070, CharacterClass.OTHER),
    (0x2600, CharacterClass.EMOJI),
    (0x27C0, CharacterClass.OTHER),
    (0x3000, CharacterClass.PUNCTUATION),
    (0x3040, CharacterClass.KANA),
    (0x3100, CharacterClass.OTHER),
    (0x3130, CharacterClass.HANGUL),
    (0x3190, CharacterClass.OTHER),
    (0x31F0, CharacterClass.KANA),
    (0x3200, CharacterClass.OTHER),
    (0x3400, CharacterClass.HAN),
    (0xA000, CharacterClass.OTHER),
    (0xAC00, CharacterClass.HANGUL),
    (0xD7B0, CharacterClass.OTHER),
    (0xF900, CharacterClass.HAN),
    (0xFB00, CharacterClass.OTHER),
    (0xFB50, CharacterClass.ARABIC),
    (0xFE00, CharacterClass.OTHER),
    (0xFF00, CharacterClass.PUNCTUATION),
    (0xFF66, CharacterClass.KANA),
    (0xFFA0, CharacterClass.OTHER),
    (0x1F000, CharacterClass.EMOJI),
    (0x1FB00, CharacterClass.OTHER),
    (0x20000, CharacterClass.HAN),
    (0x32000, CharacterClass.OTHER),
)
_BLOCK_STARTS = np.array([start for start, _ in _BLOCKS], dtype=np.uint32)
_BLOCK_CLASSES = np.array([int(kind) for _, kind in _BLOCKS], dtype=np.uint8)


def _ascii_class(code: int) -> CharacterClass:
    character = chr(code)
    if character.isalpha():
        return CharacterClass.LATIN
    if character.isdigit():
        return CharacterClass.DIGIT
    if character in "\n\r":
        return CharacterClass.NEWLINE
    if character in " \t":
        return CharacterClass.SPACE
    if character in _ASCII_CODE_SYMBOLS:
        return CharacterClass.CODE_SYMBOL
    return CharacterClass.PUNCTUATION if code > 0x20 and code != 0x7F else CharacterClass.CONTROL


_ASCII_CLASSES = np.array([int(_ascii_class(code)) for code in range(0x80)], dtype=np.uint8)

LETTER_CLASSES = (
    CharacterClass.LATIN, CharacterClass.LATIN_EXTENDED, CharacterClass.GREEK, CharacterClass.CYRILLIC,
    CharacterClass.HEBREW, CharacterClass.ARABIC, CharacterClass.INDIC, CharacterClass.THAI,
    CharacterClass.HANGUL, CharacterClass.KANA, CharacterClass.HAN,
)  # fmt: skip
# ISO 15924 codes; CharacterClass.INDIC holds the blocks of nine scripts, 128 code points each.
_SCRIPT_CODES = {
    CharacterClass.LATIN: "Latn", CharacterClass.LATIN_EXTENDED: "Latn", CharacterClass.GREEK: "Grek",
    CharacterClass.CYRILLIC: "Cyrl", CharacterClass.HEBREW: "Hebr", CharacterClass.ARABIC: "Arab",
    CharacterClass.THAI: "Thai", CharacterClass.HANGUL: "Kore", CharacterClass.KANA: "Jpan", CharacterClass.HAN: "Hani",
}  # fmt: skip
_INDIC_START, _INDIC_BLOCK = 0x900, 0x80
_INDIC_SCRIPTS = ("Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh")
NO_SCRIPT = "Zyyy"
# Japanese mixes kana with Han; so much kana tells it from Chinese.
LEAST_KANA = 0.1
FEATURE_NAMES = (
    "log_characters", "log_estimated_words", "beyond_window", "share_letters_not_latin", "share_digits",
    "share_punctuation", "share_code_symbols", "share_newlines", "share_spaces", "has_question_mark",
    "share_cjk", "share_emoji_or_control",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PromptWindow:
    """The part of a prompt that a model reads: its head, and its tail where the middle was left out."""

    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class CharacterCounts:
    """Characters by class, over the whole text; of a long text, extrapolated from a sample."""

    total: int
    by_class: NDArray[np.float64]
    """Shape (len(CharacterClass),); adds up to `total`."""

    def share(self, *classes: CharacterClass) -> float:
        """Part of all characters that lies in the given classes, in [0, 1]."""
        return float(sum(self.by_class[kind] for kind in classes)) / max(self.total, 1)


def window(text: str) -> PromptWindow:
    """Cut a text to head and tail before anything tokenises it; short texts are all head."""
    whole = HEAD_CHARACTERS + TAIL_CHARACTERS
    if len(text) <= SEARCH_RATIO * whole:
        words = " ".join(text.split())
        if len(words) <= whole:
            return PromptWindow(head=_printable(words), tail="")
        return PromptWindow(head=_printable(words[:HEAD_CHARACTERS]), tail=_printable(words[-TAIL_CHARACTERS:]))
    head = " ".join(text[: SEARCH_RATIO * HEAD_CHARACTERS].split())[:HEAD_CHARACTERS]
    tail = " ".join(text[-SEARCH_RATIO * TAIL_CHARACTERS :].split())[-TAIL_CHARACTERS:]
    return PromptWindow(head=_printable(head), tail=_printable(tail))


def _printable(text: str) -> str:
    """Make a text acceptable to a UTF-8 tokeniser: lone surrogates and NUL become the replacement character."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\ufffd")


def count_characters(text: str) -> CharacterCounts:
    """Count characters by class, reading at most three pieces of `SAMPLE_PIECE_CHARACTERS`; a run of white space is one."""
    sample = text
    if len(text) > 3 * SAMPLE_PIECE_CHARACTERS:
        middle = (len(text) - SAMPLE_PIECE_CHARACTERS) // 2
        sample = (
            text[:SAMPLE_PIECE_CHARACTERS]
            + text[middle : middle + SAMPLE_PIECE_CHARACTERS]
            + text[-SAMPLE_PIECE_CHARACTERS:]
        )
    scale = len(text) / max(len(sample), 1)
    # One space or one line break between words, whichever there was.
    sample = "\n".join(words for line in sample.split("\n") if (words := " ".join(line.split())))
    codes = np.frombuffer(sample.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if sample.isascii():
        classes = _ASCII_CLASSES[codes]
    else:
        blocks = _BLOCK_CLASSES[np.searchsorted(_BLOCK_STARTS, codes, side="right") - 1]
        classes = np.where(codes < 0x80, _ASCII_CLASSES[np.minimum(codes, 0x7F)], blocks)
    counts = np.bincount(classes, minlength=len(CharacterClass)).astype(np.float64) * scale
    return CharacterCounts(total=round(len(sample) * scale), by_class=counts)


def surface_features(counts: CharacterCounts, cut: PromptWindow) -> NDArray[np.float32]:
    """Numbers about a prompt that its words do not tell, each roughly in [0, 1].

    Returns shape (len(FEATURE_NAMES),). None depends on letter case.
    """
    spaces = float(counts.by_class[CharacterClass.SPACE] + counts.by_class[CharacterClass.NEWLINE])
    read = len(cut.head) + len(cut.tail)
    not_latin = LETTER_CLASSES[2:]
    asks = "?" in cut.head[-200:] or "?" in cut.tail[-200:] or "？" in cut.head or "؟" in cut.head  # noqa: RUF001
    return np.array(
        [
            math.log1p(counts.total) / 10,
            math.log1p(spaces) / 8,
            1 - read / max(counts.total, read, 1),
            counts.share(*not_latin),
            counts.share(CharacterClass.DIGIT),
            counts.share(CharacterClass.PUNCTUATION),
            counts.share(CharacterClass.CODE_SYMBOL),
            counts.share(CharacterClass.NEWLINE),
            counts.share(CharacterClass.SPACE),
            float(asks),
            counts.share(CharacterClass.HAN, CharacterClass.KANA, CharacterClass.HANGUL),
            counts.share(CharacterClass.EMOJI, CharacterClass.CONTROL),
        ],
        dtype=np.float32,
    )


def script_code(counts: CharacterCounts, cut: PromptWindow) -> str:
    """Return the ISO 15924 code of the script that most letters are of; "Zyyy" without letters."""
    by_class = counts.by_class
    kana, han = float(by_class[CharacterClass.KANA]), float(by_class[CharacterClass.HAN])
    if kana > LEAST_KANA * (kana + han):
        kana, han = kana + han, 0.0
    shares = {kind: float(by_class[kind]) for kind in LETTER_CLASSES}
    shares |= {CharacterClass.KANA: kana, CharacterClass.HAN: han}
    shares[CharacterClass.LATIN] += shares.pop(CharacterClass.LATIN_EXTENDED)
    most = max(shares, key=shares.__getitem__)
    if not shares[most]:
        return NO_SCRIPT
    if most is not CharacterClass.INDIC:
        return _SCRIPT_CODES[most]
    blocks = ((ord(c) - _INDIC_START) // _INDIC_BLOCK for c in cut.head + cut.tail)
    return next((_INDIC_SCRIPTS[block] for block in blocks if 0 <= block < len(_INDIC_SCRIPTS)), NO_SCRIPT)


def estimate_tokens(counts: CharacterCounts, tokens_per_character: NDArray[np.float64]) -> int:
    """Estimate how many tokens a text costs a language model; `tokens_per_character` has one rate a class.

    The rates are those of words. Letters beyond the length of words (base64, minified code) cost what byte pairs cost.
    """
    if not counts.total:
        return 0
    by_class = counts.by_class
    breaks = by_class[CharacterClass.SPACE] + by_class[CharacterClass.NEWLINE] + by_class[CharacterClass.PUNCTUATION]
    breaks += by_class[CharacterClass.CODE_SYMBOL]
    unbroken = max(0.0, float(by_class[CharacterClass.LATIN] - WORD_LETTERS * (breaks + 1)))
    return math.ceil(float(by_class @ tokens_per_character) + unbroken * TOKENS_PER_UNBROKEN_LETTER)
