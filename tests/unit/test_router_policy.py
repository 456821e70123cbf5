"""What a choice is worth."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.policy import excluded, probability_right, reliability, score
from tests.unit.routing import POLICY

REFERENCES = ["openai/gpt", "openai/mini", "triton/tiny"]
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("allow", "deny", "out"),
    [
        ([], [], set()),
        (["openai/*"], [], {"triton/tiny"}),
        ([], ["openai/*"], {"openai/gpt", "openai/mini"}),
        (["openai/*"], ["*/mini"], {"openai/mini", "triton/tiny"}),
        (["openai/gpt"], ["openai/gpt"], set(REFERENCES)),
    ],
)
def test_deny_comes_before_allow_and_an_empty_allow_allows_all(
    allow: list[str], deny: list[str], out: set[str]
) -> None:
    assert excluded(REFERENCES, allow, deny) == out


@given(SHARES, SHARES, SHARES)
def test_probability_stays_one_and_never_falls_with_quality(quality: float, complexity: float, reliable: float) -> None:
    right = probability_right(quality, complexity, reliable)
    assert 0 <= right <= 1
    assert probability_right(min(1.0, quality + 0.1), complexity, reliable) >= right


def test_an_easy_prompt_needs_no_quality_and_a_hard_one_all_of_it() -> None:
    assert probability_right(0.3, 0.0, 1.0) == 1.0
    assert probability_right(0.3, 1.0, 1.0) == pytest.approx(0.3)


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_reliability_is_a_share_and_a_failure_never_helps(successes: int, failures: int) -> None:
    now = reliability(successes + failures, failures)
    assert 0 <= now <= 1
    assert reliability(successes + failures + 1, failures + 1) < now


def test_one_failure_is_no_verdict_but_ten_are() -> None:
    assert reliability(1, 1) == 0.8
    assert reliability(10, 10) < 0.3


def test_score_is_worth_minus_money_minus_time() -> None:
    policy = replace(POLICY, success_value_micros=20_000, second_value_micros=200)
    assert score(policy, 0.5, 1_000, 10.0) == 0.5 * 20_000 - 1_000 - 10 * 200
