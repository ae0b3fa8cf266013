"""Sums into what is already there."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minicaffe import ops as package
from minicaffe.ops import accumulate
from tests.ops.test_im2col import drawn


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("shape", [(5, 3, 4), (200, 1, 7), (0, 3, 2), (3, 0, 2)])
def test_add_matmul(
    ops: package.Ops, shape: tuple[int, int, int], spread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accumulate, "PIECE", 10)
    M, K, N = shape
    a, b, out = drawn((M, K), np.float64, 0, spread), drawn((K, N), np.float64, 1, spread), np.ones((M, N))
    ops.add_matmul(a, b, out)
    np.testing.assert_allclose(out, 1 + a @ b, atol=1e-12)
    stack = np.ones((2, M, N))
    ops.add_matmul(np.stack([a, 2 * a]), np.stack([b, b]), stack)
    np.testing.assert_allclose(stack, [1 + a @ b, 1 + 2 * a @ b], atol=1e-12)


def test_add_matmul_needs_no_second_array_of_that_size(ops: package.Ops) -> None:
    a, b, out = np.ones((9000, 2), np.float32), np.ones((2, 3000), np.float32), np.ones((9000, 3000), np.float32)
    tracemalloc.start()
    ops.add_matmul(a, b, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (out == 3).all()
    assert peak < out.nbytes / 4


def test_add_rows_adds_repeated_ones(ops: package.Ops) -> None:
    out = np.ones((4, 2))
    ops.add_rows(np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([2, 0, 2]), out)
    assert out.tolist() == [[4, 5], [1, 1], [7, 9], [1, 1]]
