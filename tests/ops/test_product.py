"""Matrix products: against NumPy in double precision, whatever the layout, added to what is there or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from tests.ops.test_im2col import drawn, few

SIZES = st.tuples(*[st.integers(1, 40)] * 3)
DTYPES = st.sampled_from([np.float32, np.float64])
LAYOUTS = st.sampled_from(["plain", "transposed", "rows of a wider one", "every other column"])


def laid_out(shape: tuple[int, int], dtype: Any, seed: int, layout: str) -> np.ndarray:
    if layout == "transposed":
        return drawn(shape[::-1], dtype, seed).T
    if layout == "rows of a wider one":
        return drawn((shape[0], shape[1] + 3), dtype, seed)[:, 1:-2]
    if layout == "every other column":
        return drawn((shape[0], 2 * shape[1]), dtype, seed)[:, ::2]
    return drawn(shape, dtype, seed)


@few
@given(SIZES, DTYPES, LAYOUTS, LAYOUTS, LAYOUTS, st.booleans(), st.booleans())
def test_products(
    ops: package.Ops, sizes: Any, dtype: Any, of_a: str, of_b: str, of_out: str, adds_row: bool, cuts: bool
) -> None:
    M, K, N = sizes
    a, b = laid_out((M, K), dtype, 0, of_a), laid_out((K, N), dtype, 1, of_b)
    out, row = laid_out((M, N), dtype, 2, of_out), drawn((N,), dtype, 3) if adds_row else None
    product = a.astype(float) @ b.astype(float)
    before = out.astype(float)
    ops.add_matmul(a, b, out)
    np.testing.assert_allclose(out, before + product, atol=1e-4)
    ops.matmul(a, b, out, row, cuts)
    expected = product if row is None else product + row
    np.testing.assert_allclose(out, np.maximum(expected, 0) if cuts else expected, atol=1e-4)


def test_tiles_make_up_the_whole() -> None:
    """Larger than a tile both ways, with a remainder."""
    a, b, row = drawn((1030, 20), np.float32), drawn((20, 2100), np.float32, 1), drawn((2100,), np.float32, 2)
    out, total = np.empty((1030, 2100), np.float32), np.ones((1030, 2100), np.float32)
    package.default().matmul(a, b, out, row)
    package.default().add_matmul(a, b, total)
    np.testing.assert_allclose(out, a @ b + row, atol=1e-4)
    np.testing.assert_allclose(total, a @ b + 1, atol=1e-4)


def test_blas_gets_its_threads_back() -> None:
    pytest.importorskip("numba")
    import threadpoolctl

    def counts() -> list[int]:
        return [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]

    a = drawn((64, 64), np.float32)
    package.default().matmul(a, a, np.empty_like(a))  # all libraries are loaded now
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = counts()
        package.default().matmul(a, a, np.empty_like(a))
        assert counts() == before


def test_l2_norm() -> None:
    for ops in (package.definition(), package.default()):
        assert ops.l2_norm(np.array([[3, 0], [0, -4]], np.float32)) == 5
        assert ops.l2_norm(np.zeros((0,), np.float32)) == 0
