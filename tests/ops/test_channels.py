"""Normalisation by channel: against the formulas in double precision, on any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from tests.ops.test_im2col import drawn, few

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 40))
PRECISION = {np.float32: {"rtol": 1e-4, "atol": 1e-5}, np.float64: {"rtol": 1e-12, "atol": 1e-12}}
DTYPES = st.sampled_from(list(PRECISION))


@few
@given(SHAPES, DTYPES, *[st.booleans()] * 5)
def test_normalise(
    ops: package.Ops, shape: Any, dtype: Any, centres: bool, scales: bool, shifts: bool, keeps: bool, spread: bool
) -> None:
    x, D = drawn(shape, dtype, spread=spread), shape[1]
    mean, factor, gain, bias = (drawn((D,), dtype, seed) for seed in range(1, 5))
    h = (x.astype(float) - mean[:, None]) * factor[:, None] if centres else x.astype(float)
    expected = h * gain[:, None] if scales else h
    expected = np.maximum(expected + bias[:, None] if shifts else expected, 0)
    y, kept = np.empty_like(x), np.empty_like(x)
    vectors = (mean if centres else None, factor if centres else None, gain if scales else None)
    for target in (y, x):
        ops.normalise(x, *vectors, bias if shifts else None, target, kept if keeps else None, True)
        np.testing.assert_allclose(target, expected, **PRECISION[dtype])
        if keeps:
            np.testing.assert_allclose(kept, h, **PRECISION[dtype])


@few
@given(SHAPES, DTYPES, st.booleans())
def test_sums_and_moments(ops: package.Ops, shape: Any, dtype: Any, spread: bool) -> None:
    x, dy = drawn(shape, dtype, spread=spread), drawn(shape, dtype, 1, spread)
    wide, error = x.astype(float), dy.astype(float)
    mean, variance = ops.channel_moments(x)
    np.testing.assert_allclose(mean, wide.mean(axis=(0, 2)), **PRECISION[dtype])
    np.testing.assert_allclose(variance, wide.var(axis=(0, 2)), **PRECISION[dtype])
    sums, dots = ops.channel_sums(dy, x)
    np.testing.assert_allclose(sums, error.sum(axis=(0, 2)), **PRECISION[dtype])
    np.testing.assert_allclose(dots, (error * wide).sum(axis=(0, 2)), **PRECISION[dtype])
    alone, nothing = ops.channel_sums(dy)
    np.testing.assert_allclose(alone, sums, **PRECISION[dtype])
    assert nothing is None


@few
@given(SHAPES, DTYPES, st.tuples(*[st.booleans()] * 5))
def test_normalise_backward(ops: package.Ops, shape: Any, dtype: Any, choice: tuple[bool, ...]) -> None:
    spread, rectified, scaled, batch, keeps = choice
    h, dy, y = (drawn(shape, dtype, seed, spread) for seed in range(3))
    factor, gain = (drawn(shape[1:2], dtype, seed) for seed in (3, 4))
    error, own = dy.astype(float) * ((y > 0) if rectified else 1), h.astype(float)
    through = error * (gain[:, None] if scaled else 1)
    if batch:
        through = through - through.mean(axis=(0, 2))[:, None] - own * (through * own).mean(axis=(0, 2))[:, None]
    dx = np.empty_like(dy)
    for target in (dx, dy):
        sums, dots = ops.normalise_backward(
            dy, y if rectified else None, h if keeps or batch else None, factor, gain if scaled else None, batch, target
        )
        np.testing.assert_allclose(target, through * factor[:, None], **PRECISION[dtype])
        np.testing.assert_allclose(sums, error.sum(axis=(0, 2)), **PRECISION[dtype])
        if keeps or batch:
            np.testing.assert_allclose(dots, (error * own).sum(axis=(0, 2)), **PRECISION[dtype])
        else:
            assert dots is None


def test_long_rows_lose_no_digits() -> None:
    """A million numbers near 1000: single precision throughout would be off in the fourth digit."""
    x = drawn((1, 2, 1 << 20), np.float32) + np.float32(1000)
    mean, variance = package.default().channel_moments(x)
    np.testing.assert_allclose(mean, x.astype(float).mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(variance, x.astype(float).var(axis=(0, 2)), rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 3, 1), (1, 1, 200), (2, 3, 64), (0, 3, 4), (2, 3, 0), (1, 0, 5)])
def test_sums_of_any_shape(ops: package.Ops, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    np.testing.assert_allclose(ops.channel_sums(x)[0], x.sum(axis=(0, 2)), atol=1e-12)
    np.testing.assert_allclose(ops.channel_sums(x, y)[1], (x * y).sum(axis=(0, 2)), atol=1e-12)


def test_long_sums_stay_exact_in_single(ops: package.Ops) -> None:
    x = np.full((1, 2, 1_000_000), 1.1, np.float32)
    sums, dots = ops.channel_sums(x, x)
    np.testing.assert_allclose(ops.channel_sums(x)[0], x.astype(float).sum(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(sums, x.astype(float).sum(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(dots, (x.astype(float) ** 2).sum(axis=(0, 2)), rtol=1e-4)
