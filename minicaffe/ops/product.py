"""Matrix products with what often follows them: a row added, and a rectifier."""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import array_module


def matmul(a: Any, b: Any, out: Any, row: Any = None, rectify: bool = False) -> None:
    """Write a [M, K] @ b [K, N] to `out` [M, N], plus `row` [N] unless it is None, then 0 for what is below it if
    `rectify`."""
    xp = array_module(a)
    xp.matmul(a, b, out=out)
    if row is not None:
        out += row
    if rectify:
        xp.maximum(out, 0, out=out)
