"""Matrix products in tiles, each by one call of BLAS in one thread."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minicaffe.ops import accumulate
from minicaffe.ops import product as definition
from minicaffe.ops.cpu import blas
from minicaffe.ops.cpu.blas import EACH_COLUMN, Order, Tiles
from minicaffe.ops.cpu.kernel import DTYPES

# Rows and columns of a tile. With few rows it reads its columns of b once only, and these are what is cut.
TILE, FEW = 1024, 256
LEAST_WIDE, MOST_WIDE = 512, 2048


def matmul(a: Any, b: Any, out: Any, row: Any = None, rectify: bool = False) -> None:
    """As `minicaffe.ops.product.matmul`."""
    order = _order(a, b, out)
    if order is None or (row is not None and (row.dtype != out.dtype or not row.flags.c_contiguous)):
        definition.matmul(a, b, out, row, rectify)
        return
    tiles = _tiles(order, *a.shape, b.shape[1], False)
    if row is None and not rectify:
        blas.multiply(tiles, a, b, out)
        return
    ones, floor = np.ones(out.shape[1], out.dtype), out.dtype.type(0 if rectify else -np.inf)
    blas.multiply(tiles, a, b, out, EACH_COLUMN, (ones, 0 * ones if row is None else row, floor))


def add_matmul(a: Any, b: Any, out: Any) -> None:
    """As `minicaffe.ops.accumulate.add_matmul`."""
    order = _order(a, b, out)
    if order is None:
        accumulate.add_matmul(a, b, out)
    else:
        blas.multiply(_tiles(order, *a.shape, b.shape[1], True), a, b, out)


def _order(a: Any, b: Any, out: Any) -> Order | None:
    """Return how these matrices lie in memory; None if BLAS cannot take them.

    It takes matrices of one float type, rows or columns without gaps, not empty.
    """
    if (
        not all(x.ndim == 2 and x.size and x.dtype == out.dtype for x in (a, b, out))
        or out.dtype not in DTYPES
        or not out.flags.c_contiguous
        or not blas.gemm_address(out.dtype.char)
    ):
        return None
    lines_a, lines_b = _lines(a), _lines(b)
    return None if lines_a is None or lines_b is None else Order(*lines_a, *lines_b, out.shape[1])


def _lines(x: Any) -> tuple[int, int] | None:
    """Return what BLAS, which counts along columns, calls matrix x: transposed or not, and the step between lines."""
    size, (down, right) = x.itemsize, x.strides
    if right == size and down % size == 0 and down >= size * x.shape[1]:
        return ord("N"), max(down // size, 1)
    if down == size and right % size == 0 and right >= size * x.shape[0]:
        return ord("T"), max(right // size, 1)
    return None


@lru_cache(maxsize=256)
def _tiles(order: Order, M: int, K: int, N: int, keep: bool) -> Tiles:
    wide = TILE if M > FEW else min(max(N // 8, LEAST_WIDE), MOST_WIDE)
    pieces = []
    for m in range(0, M, TILE):
        for n in range(0, N, wide):
            a_at = m * (order.a_step if order.a == ord("N") else 1)
            b_at = n * (1 if order.b == ord("N") else order.b_step)
            call = min(TILE, M - m), min(wide, N - n), K, a_at, b_at, m * order.out_step + n, n, int(keep)
            pieces.append([call])
    return blas.tiles(order, pieces)
