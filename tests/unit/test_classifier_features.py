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
    script_code,
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
    assert counts.by_class.sum() == pytest.approx(counts.total, abs=1)
    assert counts.total <= len(text)
    assert estimate_tokens(counts, RATES) >= 0


@given(st.text(alphabet=string.ascii_letters + string.digits + " .,?\n", max_size=2000))
def test_letter_case_changes_nothing(text: str) -> None:
    np.testing.assert_array_equal(
        surface_features(count_characters(text), window(text)),
        surface_features(count_characters(text.lower()), window(text.lower())),
    )


@given(
    st.lists(st.text(alphabet=string.ascii_letters + string.digits + ".,?", min_size=1), max_size=60),
    st.lists(st.sampled_from(["  ", "\t ", "    ", "\u00a0 "]), min_size=1, max_size=9),
)
def test_extra_white_space_changes_nothing(words: list[str], gaps: list[str]) -> None:
    plain = " ".join(words)
    wide = gaps[0] + "".join(word + gaps[i % len(gaps)] for i, word in enumerate(words))
    assert window(wide) == window(plain)
    np.testing.assert_allclose(
        surface_features(count_characters(wide), window(wide)),
        surface_features(count_characters(plain), window(plain)),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", "Latn"), ("grüße", "Latn"), ("привет, world", "Cyrl"), ("你好", "Hani"), ("東京に行く", "Jpan"),
        ("안녕", "Kore"), ("नमस्ते", "Deva"), ("வணக்கம்", "Taml"), ("שלום", "Hebr"), ("12 + 3 🎉", "Zyyy"), ("", "Zyyy"),
    ],
)  # fmt: skip
def test_the_script_is_that_of_most_letters(text: str, code: str) -> None:
    assert script_code(count_characters(text), window(text)) == code


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
    assert counts.total == pytest.approx(1_000_000, rel=0.01)
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
