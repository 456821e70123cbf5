"""What the cache remembers, what it must not, and how far it grows."""

from dataclasses import replace

import pytest

from services.classifier.answer import Answer, TierWish
from services.classifier.cache import PIECE_CHARACTERS, AnswerCache, content_key
from services.classifier.counters import ClassifierCounters, Degradation
from services.classifier.judgement import Judgement, OutputTokens, Tier
from services.classifier.prompt_text import PromptText

ANSWER = Answer(
    Judgement(Tier.FAST, (("code", 1.0),), (0.2, 0.5, 0.9), 0.8, 1.0, 12, OutputTokens(1, 2, 3), "en", "Latn", ()), "r1"
)


@pytest.fixture
def counters() -> ClassifierCounters:
    return ClassifierCounters()


def test_what_was_put_is_told_again_and_marked(counters: ClassifierCounters) -> None:
    cache = AnswerCache(2, counters)
    assert cache.get(b"a") is None
    cache.put(b"a", ANSWER)
    assert cache.get(b"a") == replace(ANSWER, from_cache=True)
    assert (counters.cache_hits, counters.cache_misses) == (1, 1)


def test_the_answer_not_asked_for_the_longest_leaves_first(counters: ClassifierCounters) -> None:
    cache = AnswerCache(2, counters)
    cache.put(b"a", ANSWER)
    cache.put(b"b", ANSWER)
    cache.get(b"a")
    cache.put(b"c", ANSWER)
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert len(cache) == 2
    assert counters.cache_evictions == 1


@pytest.mark.parametrize("reason", Degradation)
def test_a_stopgap_is_not_remembered(counters: ClassifierCounters, reason: Degradation) -> None:
    cache = AnswerCache(2, counters)
    cache.put(b"a", replace(ANSWER, degraded=reason))
    assert cache.get(b"a") is None


def test_another_models_answers_are_forgotten(counters: ClassifierCounters) -> None:
    cache = AnswerCache(2, counters)
    cache.put(b"a", ANSWER)
    cache.clear()
    assert cache.get(b"a") is None


def test_without_room_nothing_is_remembered(counters: ClassifierCounters) -> None:
    cache = AnswerCache(0, counters)
    cache.put(b"a", ANSWER)
    assert len(cache) == 0
    assert not cache.enabled


LONG = "ж" * (2 * PIECE_CHARACTERS + 1)


@pytest.mark.parametrize(
    "text", ["", "hi", "\ud800", "a\nb", LONG], ids=["empty", "short", "surrogate", "lines", "long"]
)
def test_all_that_a_judgement_depends_on_tells_prompts_apart(text: str) -> None:
    prompts = {
        PromptText(text, "", 0),
        PromptText(text, "x", 0),
        PromptText(text + "x", "", 0),
        PromptText("", text + "x", 0),
        PromptText(text, "", 1),
        PromptText(text, "", 10),
    }
    keys = {content_key(prompt, wish) for wish in TierWish for prompt in prompts}
    assert len(keys) == len(prompts) * len(TierWish)
    assert content_key(PromptText(text, "", 0), TierWish.AUTO) in keys
