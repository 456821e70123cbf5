"""The sketch answers every quantile to within its stated error, in bounded memory, however its parts were merged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.sketch import HIGHEST, LOWEST, MAX_BUCKETS, RELATIVE_ERROR, Sketch

IN_RANGE = st.floats(LOWEST, HIGHEST)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=6).map(sorted)
# What the arithmetic of floats adds to the error, at the very edge of a bucket.
ROUNDING = 1e-9


def sketch_of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(st.lists(IN_RANGE, min_size=1, max_size=300), SHARES)
def test_a_quantile_is_within_the_stated_error_of_the_true_one(values: list[float], shares: list[float]) -> None:
    exact = [sorted(values)[math.floor(share * (len(values) - 1))] for share in shares]
    for found, true in zip(sketch_of(values).quantiles(shares), exact, strict=True):
        assert abs(found - true) <= true * (RELATIVE_ERROR + ROUNDING)


@given(st.lists(st.lists(st.floats(0, 1e9), max_size=50), max_size=6), SHARES, st.randoms(use_true_random=False))
def test_a_merge_is_the_sketch_of_the_union_in_any_order(
    parts: list[list[float]], shares: list[float], order: object
) -> None:
    whole = sketch_of([value for part in parts for value in part])
    sketches = [sketch_of(part) for part in parts]
    order.shuffle(sketches)  # type: ignore[attr-defined]
    merged = Sketch()
    for sketch in sketches:
        merged.merge(sketch)
    assert (merged.count, merged.buckets) == (whole.count, whole.buckets)
    assert merged.quantiles(shares) == whole.quantiles(shares)


@given(st.lists(st.floats(0, allow_nan=False), max_size=200))
def test_its_memory_is_bounded_whatever_comes(values: list[float]) -> None:
    sketch = sketch_of(values)
    assert sketch.count == len(values)
    assert sketch.buckets <= min(len(values), MAX_BUCKETS)


def test_it_never_needs_more_buckets_than_it_says() -> None:
    step = 1 + RELATIVE_ERROR
    values = [LOWEST / 2, HIGHEST * 2]
    while values[-1] != HIGHEST:
        values.append(min(HIGHEST, LOWEST * step ** (len(values) - 2)))
    assert 1_000 < sketch_of(values).buckets <= MAX_BUCKETS


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, 0.0), (LOWEST / 2, 0.0), (math.inf, HIGHEST), (5 * HIGHEST, HIGHEST)]
)
def test_values_out_of_range_count_at_its_ends(value: float, told: float) -> None:
    sketch = sketch_of([value, 1.0] if value < 1 else [1.0, value])
    at_the_end = sketch.quantiles([0.0])[0] if value < 1 else sketch.quantiles([1.0])[0]
    assert at_the_end == pytest.approx(told, rel=RELATIVE_ERROR)
    assert sketch.count == 2


@pytest.mark.parametrize("value", [-1.0, -1e-300, math.nan, -math.inf])
def test_what_is_no_amount_is_refused_and_leaves_no_trace(value: float) -> None:
    sketch = sketch_of([1.0])
    with pytest.raises(ValueError, match="expected a number of 0 or more"):
        sketch.add(value)
    assert (sketch.count, sketch.buckets) == (1, 1)


def test_an_empty_sketch_answers_nought() -> None:
    assert Sketch().quantiles([0.5, 0.99]) == (0.0, 0.0)
