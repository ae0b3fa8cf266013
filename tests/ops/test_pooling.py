"""Pooling: against loops, with and without kernels, where windows are empty and where numbers are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.ops.arrays import LOWEST
from minicaffe.ops.pooling import pool_output_size
from tests.ops import naive
from tests.ops.test_im2col import drawn, few


@st.composite
def poolings(draw: st.DrawFn) -> dict[str, Any]:
    """Any image and window whose output has Caffe's size; the rows are sometimes long enough for vector loops."""
    axes = []
    for longest in (6, 45):
        k, s = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        axes.append((draw(st.integers(1, longest)), k, s, draw(st.integers(0, k - 1))))
    size, kernel, stride, pad = zip(*axes, strict=True)
    clip = any(pad)
    return {
        "shape": (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *size),
        "positions": tuple(max(1, pool_output_size(*axis, clip)) for axis in axes),
        "window": (kernel, stride, pad),
        "dtype": draw(st.sampled_from([np.float32, np.float64])),
        "spread": draw(st.booleans()),
    }


def image(case: dict[str, Any], odd: bool = False) -> np.ndarray:
    """Whole numbers with many ties; `odd`: with NaN, infinities and the lowest number among them."""
    x = np.round(2 * drawn(case["shape"], case["dtype"], spread=case["spread"]))
    if odd:
        x[x == 1] = np.nan
        x[x == 2] = -np.inf
        x[x == 3] = np.inf
        x[x == 4] = LOWEST
    return x


@few
@given(poolings(), st.booleans())
def test_max(ops: package.Ops, case: dict[str, Any], odd: bool) -> None:
    x = image(case, odd)
    expected, places = naive.pool_max(x, case["positions"], *case["window"])
    y, mask = np.empty_like(expected), np.empty(expected.shape, np.int32)
    ops.pool_max(x, *case["window"], y, mask)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(mask, places)


@few
@given(poolings())
def test_max_backward(ops: package.Ops, case: dict[str, Any]) -> None:
    x = image(case, odd=True)
    _, mask = naive.pool_max(x, case["positions"], *case["window"])
    dy = drawn(mask.shape, case["dtype"], 1, case["spread"])
    expected = np.zeros((*x.shape[:2], x[0, 0].size))
    for n, c, *at in np.ndindex(mask.shape):
        if mask[(n, c, *at)] >= 0:
            expected[n, c, mask[(n, c, *at)]] += dy[(n, c, *at)]
    dx = drawn(x.shape, case["dtype"], 2)
    ops.pool_max_backward(dy, mask, *case["window"], dx)
    np.testing.assert_allclose(dx, expected.reshape(x.shape), atol=1e-5)


@few
@given(poolings())
def test_ave_and_its_transpose(ops: package.Ops, case: dict[str, Any]) -> None:
    x = drawn(case["shape"], case["dtype"], spread=case["spread"])
    expected = naive.pool_ave(x.astype(np.float64), case["positions"], *case["window"])
    y, dx = np.empty(expected.shape, x.dtype), drawn(x.shape, x.dtype, 1)
    ops.pool_ave(x, *case["window"], y)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    dy = drawn(y.shape, x.dtype, 2, case["spread"])
    ops.pool_ave_backward(dy, *case["window"], dx)
    assert np.vdot(dx, x) == pytest.approx(np.vdot(dy, expected), abs=1e-3)


@few
@given(poolings())
def test_kernels_agree_with_definitions_to_the_last_bit_of_a_sum(case: dict[str, Any]) -> None:
    x = drawn(case["shape"], case["dtype"])
    shape = (*x.shape[:2], *case["positions"])
    results = []
    for ops in (package.definition(), package.default()):
        y, dx = np.empty(shape, x.dtype), np.empty_like(x)
        ops.pool_ave(x, *case["window"], y)
        ops.pool_ave_backward(y, *case["window"], dx)
        results.append((y, dx))
    (a, b), (c, d) = results
    np.testing.assert_array_equal(a, c)
    np.testing.assert_allclose(b, d, rtol=1e-5, atol=1e-6)


def test_a_window_without_any_pixel(ops: package.Ops) -> None:
    x = np.ones((1, 1, 4, 4), np.float32)
    window = (1, 1), (2, 2), (0, 0)
    y, mask = np.empty((1, 1, 3, 3), np.float32), np.empty((1, 1, 3, 3), np.int32)
    ops.pool_max(x, *window, y, mask)
    assert y[0, 0, 2, 0] == np.float32(LOWEST)
    assert mask[0, 0].tolist() == [[0, 2, -1], [8, 10, -1], [-1, -1, -1]]
    dx = np.empty_like(x)
    ops.pool_max_backward(np.ones_like(y), mask, *window, dx)
    assert dx.sum() == 4
    ops.pool_ave(x, *window, y)
    assert y[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((5, 2, 2, 0, False), 3),
        ((5, 2, 2, 0, False, True), 2),
        ((3, 3, 2, 2, True), 3),
        ((4, 2, 2, 1, True), 3),
        ((5, 2, 2, 1, True), 3),
        ((5, 2, 3, 1, True), 2),
        ((4, 2, 4, 1, True), 2),
        ((4, 2, 5, 1, True), 1),
        ((2, 5, 1, 0, False), -2),
    ],
)
def test_output_size(numbers: tuple[Any, ...], expected: int) -> None:
    assert pool_output_size(*numbers) == expected


@few
@given(poolings())
def test_stochastic_picks_where_the_running_sum_reaches_the_draw(ops: package.Ops, case: dict[str, Any]) -> None:
    kernel, stride, _ = case["window"]
    x = np.abs(drawn(case["shape"], np.float64))
    draws = np.random.Generator(np.random.PCG64(5)).random((*x.shape[:2], *case["positions"]))
    y, mask = np.empty(draws.shape), np.empty(draws.shape, np.int32)
    ops.pool_stochastic(x, kernel, stride, (0, 0), draws, y, mask)
    for n, c, i, j in np.ndindex(draws.shape):
        window = x[n, c, i * stride[0] : i * stride[0] + kernel[0], j * stride[1] : j * stride[1] + kernel[1]]
        if not window.size:
            assert (y[n, c, i, j], mask[n, c, i, j]) == (0, -1)
            continue
        at = int(np.searchsorted(np.cumsum(window), draws[n, c, i, j] * np.cumsum(window)[-1]))
        assert y[n, c, i, j] == window.flat[at] == x[n, c].flat[mask[n, c, i, j]]


def test_stochastic_picks_in_proportion_and_expects_its_mean(ops: package.Ops) -> None:
    x = np.tile(np.array([[1.0, 2.0], [0.0, 5.0]]), (1, 1, 200, 200))
    window = (2, 2), (2, 2), (0, 0)
    draws = np.random.Generator(np.random.PCG64(5)).random((1, 1, 200, 200))
    y, mask, mean = np.empty(draws.shape), np.empty(draws.shape, np.int32), np.empty(draws.shape)
    ops.pool_stochastic(x, *window, draws, y, mask)
    for value, share in ((1, 1 / 8), (2, 2 / 8), (0, 0), (5, 5 / 8)):
        assert (y == value).mean() == pytest.approx(share, abs=0.015)
    ops.pool_expected(x, *window, mean)
    np.testing.assert_allclose(mean, 30 / 8)
    assert y.mean() == pytest.approx(30 / 8, abs=0.03)
    ops.pool_expected(np.zeros_like(x), *window, mean)
    assert not mean.any()
