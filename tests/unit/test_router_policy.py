"""What a choice is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.policy import excluded, reliability

REFERENCES = ["openai/gpt", "openai/mini", "triton/tiny"]


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


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_reliability_is_a_share_and_a_failure_never_helps(successes: int, failures: int) -> None:
    now = reliability(successes + failures, failures)
    assert 0 <= now <= 1
    assert reliability(successes + failures + 1, failures + 1) < now


def test_one_failure_is_no_verdict_but_ten_are() -> None:
    assert reliability(1, 1) == 0.8
    assert reliability(10, 10) < 0.3
