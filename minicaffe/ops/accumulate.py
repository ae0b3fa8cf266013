"""Sums into an array that already holds something, as gradients of parameters are gathered."""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import Scratch, array_module

# The product is added in pieces of this many elements, so that it never needs a second array as large as the first.
PIECE = 1 << 22

_scratch = Scratch()


def add_matmul(a: Any, b: Any, out: Any) -> None:
    """Add the matrix product a [..., M, K] @ b [..., K, N] to `out` [..., M, N]."""
    xp = array_module(a)
    M = out.shape[-2]
    step = max(PIECE * M // max(out.size, 1), 64)
    for m in range(0, M, step):
        rows = out[..., m : m + step, :]
        product = _scratch.take("product", a, rows.shape)
        xp.matmul(a[..., m : m + step, :], b, out=product)
        rows += product


def add_rows(rows: Any, index: Any, out: Any) -> None:
    """Add each of `rows` [R, ...] to out[index[r]]; an index may come several times."""
    array_module(out).add.at(out, index, rows)
