"""What is read off characters: windows stay small, counts add up, letter case never matters."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.features import (
    FEATURE_NAMES,
    HEAD_CHARACTERS,
    TAIL_CHARACTERS,
    CharacterClass,
    count_characters,
    estimate_tokens,
    surface_features,
    window,
)

ANY_TEXT = st.text(alphabet=st.characters(), max_size=4000)
RATES = np.full(len(CharacterClass), 0.25)


@given(ANY_TEXT)
def test_any_text_has_finite_features_and_a_window_that_a_tokeniser_accepts(text: str) -> None:
    cut, counts = window(text), count_characters(text)
    features = surface_features(counts, cut)
    assert features.shape == (len(FEATURE_NAMES),)
    assert np.isfinite(features).all()
    assert len(cut.head) + len(cut.tail) <= HEAD_CHARACTERS + TAIL_CHARACTERS
    (cut.head + cut.tail).encode("utf-8")
    assert counts.by_class.sum() == pytest.approx(len(text))
    assert estimate_tokens(counts, RATES) >= 0


@given(st.text(alphabet=string.ascii_letters + string.digits + " .,?\n", max_size=2000))
def test_letter_case_changes_nothing(text: str) -> None:
    np.testing.assert_array_equal(
        surface_features(count_characters(text), window(text)),
        surface_features(count_characters(text.lower()), window(text.lower())),
    )


def test_a_short_text_is_all_head() -> None:
    assert window("  fix my grammar \n").head == "fix my grammar"
    assert window("fix my grammar").tail == ""


def test_a_long_text_keeps_its_head_and_its_tail() -> None:
    cut = window("summarise this: " + "x" * 1_000_000 + " in one line")
    assert cut.head.startswith("summarise this: ")
    assert cut.tail.endswith(" in one line")
    assert (len(cut.head), len(cut.tail)) == (HEAD_CHARACTERS, TAIL_CHARACTERS)


def test_counts_of_a_long_text_are_extrapolated_from_a_sample() -> None:
    counts = count_characters("ab1 " * 250_000)
    assert counts.total == 1_000_000
    assert counts.share(CharacterClass.LATIN) == pytest.approx(0.5, abs=0.01)
    assert counts.share(CharacterClass.DIGIT) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("привет", CharacterClass.CYRILLIC),
        ("你好", CharacterClass.HAN),
        ("こんにちは", CharacterClass.KANA),
        ("안녕", CharacterClass.HANGUL),
        ("שלום", CharacterClass.HEBREW),
        ("مرحبا", CharacterClass.ARABIC),
        ("नमस्ते", CharacterClass.INDIC),
        ("🎉🎊", CharacterClass.EMOJI),
        ("\x00\x07", CharacterClass.CONTROL),
        ("\ud800", CharacterClass.OTHER),
    ],
)
def test_scripts_are_told_apart(text: str, kind: CharacterClass) -> None:
    assert count_characters(text).share(kind) == 1.0


def test_letters_without_breaks_cost_more_than_words() -> None:
    words, blob = "word " * 200, "QmFzZTY0" * 125
    assert estimate_tokens(count_characters(blob), RATES) > 2 * estimate_tokens(count_characters(words), RATES)


def test_nothing_costs_nothing() -> None:
    assert estimate_tokens(count_characters(""), RATES) == 0
