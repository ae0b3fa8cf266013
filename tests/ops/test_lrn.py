"""LRN across channels: against the formula, and its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from tests.ops import naive
from tests.ops.test_im2col import drawn, few


@few
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 4), st.integers(1, 90)),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from([0.75, 0.5, 1.3]),
    st.booleans(),
)
def test_agrees_with_the_formula(
    ops: package.Ops, shape: tuple[int, ...], size: int, beta: float, spread: bool
) -> None:
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        x = drawn(shape, dtype, spread=spread)
        y, scale = np.empty(shape, dtype), np.empty(shape, dtype)
        ops.lrn_across(x, size, 0.7, beta, 1.5, y, scale)
        np.testing.assert_allclose(y, naive.lrn_across(x.astype(float), size, 0.7, beta, 1.5), rtol=tolerance)


@few
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([1, 3, 5]),
    st.booleans(),
)
def test_gradient(ops: package.Ops, shape: tuple[int, ...], size: int, spread: bool) -> None:
    x, dy, v = (drawn(shape, np.float64, seed, spread) for seed in range(3))
    y, scale, dx = np.empty(shape), np.empty(shape), np.empty(shape)
    ops.lrn_across(x, size, 0.7, 0.75, 1.0, y, scale)
    ops.lrn_across_backward(x, y, scale, dy, size, 0.7, 0.75, dx)
    ends = [np.vdot(dy, naive.lrn_across(x + h * v, size, 0.7, 0.75, 1.0)) for h in (1e-5, -1e-5)]
    assert np.vdot(dx, v) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_kernels_agree_with_definitions() -> None:
    x, dy = drawn((2, 6, 17, 31), np.float32), drawn((2, 6, 17, 31), np.float32, 1)
    results = []
    for ops in (package.definition(), package.default()):
        y, scale, dx = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        ops.lrn_across(x, 5, 0.1, 0.75, 1.0, y, scale)
        ops.lrn_across_backward(x, y, scale, dy, 5, 0.1, 0.75, dx)
        results.append((y, scale, dx))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
