"""Rectifiers, weighted sums and dropout: against the formulas, on any layout, in place, and bit for bit where exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from tests.ops.test_im2col import drawn, few

SHAPES = st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple)
DTYPES = st.sampled_from([np.float32, np.float64])


def special(x: np.ndarray) -> np.ndarray:
    """Put numbers that are hard to compare where there is room."""
    flat = np.ascontiguousarray(x).reshape(-1)
    flat[:4] = np.array([np.nan, -np.inf, np.inf, -0.0], x.dtype)[: flat.size]
    return flat.reshape(x.shape)


@few
@given(SHAPES, DTYPES, st.sampled_from([0.0, 0.1, 1.0, 2.0, -0.5]), st.booleans())
def test_rectifier(ops: package.Ops, shape: tuple[int, ...], dtype: Any, slope: float, spread: bool) -> None:
    x = drawn(shape, dtype, spread=spread) if spread else special(drawn(shape, dtype))
    y, dx = np.empty_like(x), np.empty_like(x)
    with np.errstate(all="ignore"):
        ops.rectify(x, slope, y)
        expected = np.where(x > 0, x, dtype(slope) * x if slope else np.where(np.isnan(x), x, 0))
        np.testing.assert_array_equal(y, expected)
        dy = drawn(shape, dtype, 1, spread)
        ops.rectify_backward(x, dy, slope, dx)
        share = np.where(x > 0, dtype(1), np.where(x <= 0, dtype(slope), dtype(0)))
        np.testing.assert_array_equal(dx, dy * share)
        ops.rectify_backward(x, dy, slope, dy)
    np.testing.assert_array_equal(dy, dx)


@few
@given(SHAPES, DTYPES, st.lists(st.sampled_from([1.0, -1.0, 0.3]), min_size=1, max_size=4), st.booleans())
def test_weighted_sum(ops: package.Ops, shape: tuple[int, ...], dtype: Any, weights: list[float], cut: bool) -> None:
    xs = [drawn(shape, dtype, seed, spread=seed == 3) for seed in range(len(weights))]
    expected = sum(w * x.astype(float) for w, x in zip(weights, xs, strict=True))
    if cut:
        expected = np.maximum(expected, 0)
    y = np.empty(shape, dtype)
    ops.weighted_sum(xs, weights, y, cut)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    ops.weighted_sum([xs[0], *xs[1:]], weights, xs[0], cut)
    np.testing.assert_array_equal(xs[0], y)


@few
@given(SHAPES, DTYPES, st.sampled_from([0.0, 0.3, 0.5, 0.999]), st.booleans())
def test_dropout_draws_what_the_stream_holds(
    ops: package.Ops, shape: tuple[int, ...], dtype: Any, ratio: float, spread: bool
) -> None:
    x, bits, reference = drawn(shape, dtype, spread=spread), np.random.PCG64(5), np.random.PCG64(5)
    y, mask = np.empty_like(x), np.empty(shape, bool)
    ops.dropout(x, bits, ratio, 2.5, mask, y)
    numbers = [
        half for draw in reference.random_raw((x.size + 1) // 2) for half in (int(draw) % 2**32, int(draw) >> 32)
    ]
    kept = np.array(numbers[: x.size], np.float64).reshape(shape) >= round(ratio * 2**32)
    np.testing.assert_array_equal(mask, kept)
    np.testing.assert_array_equal(y, x * kept * dtype(2.5))
    assert bits.random_raw() == reference.random_raw()  # both streams go on from one place
    back = np.empty_like(x)
    ops.masked(x, mask, 2.5, back)
    np.testing.assert_array_equal(back, y)


def test_dropout_of_many_numbers_is_the_same_either_way() -> None:
    x = drawn((3, 70001), np.float32)
    results = []
    for ops in (package.definition(), package.default()):
        y, mask = np.empty_like(x), np.empty(x.shape, bool)
        ops.dropout(x, np.random.PCG64(9), 0.4, 1 / 0.6, mask, y)
        results.append((y, mask))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert results[0][1].mean() == pytest.approx(0.6, abs=0.01)
