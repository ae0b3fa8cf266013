"""Softmax and smooth L1: formulas, overflow, in place."""

from __future__ import annotations

import numpy as np
import pytest

from minicaffe import ops as package
from tests.ops.test_im2col import drawn


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_is_the_formula_and_may_work_in_place(ops: package.Ops, axis: int) -> None:
    x = drawn((3, 4, 5), np.float64)
    expected = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(ops.softmax(x, axis), expected)
    same = ops.softmax(x, axis, out=x)
    assert same is x
    np.testing.assert_allclose(x, expected)


def test_softmax_does_not_overflow(ops: package.Ops) -> None:
    y = ops.softmax(np.array([[1e30, 1e30, -1e30]], np.float32), 1)
    assert y.tolist() == [[0.5, 0.5, 0]]


def test_softmax_gradient(ops: package.Ops) -> None:
    x, dy = drawn((3, 4, 5), np.float64), drawn((3, 4, 5), np.float64, 1)
    y = ops.softmax(x, 1)
    expected = np.empty_like(x)
    for n in range(3):
        for j in range(5):
            p = y[n, :, j]
            expected[n, :, j] = (np.diag(p) - np.outer(p, p)) @ dy[n, :, j]
    np.testing.assert_allclose(ops.softmax_backward(y, dy, 1), expected, atol=1e-12)
    ops.softmax_backward(y, dy, 1, out=dy)
    np.testing.assert_allclose(dy, expected, atol=1e-12)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 0.5])
def test_smooth_l1(ops: package.Ops, sigma: float) -> None:
    d = np.linspace(-6, 6, 61, dtype=np.float32)
    f, slope = ops.smooth_l1(d, sigma), ops.smooth_l1_backward(d, sigma)
    for value, y, dy in zip(d.tolist(), f, slope, strict=True):
        near = abs(value) < 1 / sigma**2
        assert y == pytest.approx(0.5 * (sigma * value) ** 2 if near else abs(value) - 0.5 / sigma**2, abs=1e-5)
        assert dy == pytest.approx(sigma**2 * value if near else np.sign(value), abs=1e-5)
    assert f.dtype == slope.dtype == np.float32
