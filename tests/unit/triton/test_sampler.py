"""The sampler against a plain statement of what temperature, top-k, top-p and seed mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_chat.parameters import SamplingParameters
from tiny_chat.sampler import Sampler

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1], dtype=np.float32))


def draw(count: int = 4000, logits: np.ndarray = LOGITS, **fields: float) -> np.ndarray:
    """How often each token comes, as shares."""
    sampler = Sampler(SamplingParameters(seed=1, **fields))  # type: ignore[arg-type]
    picks = [sampler.pick(logits) for _ in range(count)]
    return np.bincount(picks, minlength=len(logits)) / count


def test_temperature_zero_takes_the_most_likely() -> None:
    assert draw(50, temperature=0.0).tolist() == [1, 0, 0, 0]


def test_temperature_one_draws_by_probability() -> None:
    assert draw() == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.03)


def test_a_higher_temperature_flattens() -> None:
    assert draw(temperature=100.0) == pytest.approx([0.25] * 4, abs=0.03)


def test_top_k_keeps_the_k_most_likely() -> None:
    assert draw(top_k=2) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.03)


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, 1), (0.5, 1), (0.7, 2), (0.75, 2), (0.8, 3), (0.95, 4)])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: int) -> None:
    # float32 logarithms round, so the exact boundary may fall either way; ask a hair below it
    assert np.count_nonzero(draw(top_p=top_p - 1e-6)) == kept


def test_a_seed_repeats_and_another_differs() -> None:
    logits = np.zeros(1000, dtype=np.float32)

    def picks(seed: int) -> list[int]:
        sampler = Sampler(SamplingParameters(seed=seed))
        return [sampler.pick(logits) for _ in range(20)]

    assert picks(5) == picks(5) != picks(6)
    assert picks(-3) == picks(-3)


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40),
    st.floats(0, 100),
    st.floats(1e-9, 1),
    st.integers(0, 50),
)
def test_whatever_is_asked_the_pick_is_among_the_allowed(
    logits: list[float], temperature: float, top_p: float, top_k: int
) -> None:
    array = np.array(logits, dtype=np.float32)
    pick = Sampler(SamplingParameters(temperature=temperature, top_p=top_p, top_k=top_k)).pick(array)
    assert 0 <= pick < len(array)
    if top_k:
        assert np.count_nonzero(array > array[pick]) < top_k
