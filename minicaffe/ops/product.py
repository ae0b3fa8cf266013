"""Matrix products with what often follows them, a row added and a rectifier; and the norm, a product with itself."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.ops.arrays import array_module


def l2_norm(x: Any) -> float:
    """Return the square root of the sum of the squares of x, any shape."""
    return math.sqrt(float(array_module(x).vdot(x, x))) if x.size else 0.0


def matmul(a: Any, b: Any, out: Any, row: Any = None, rectify: bool = False) -> None:
    """Write a [M, K] @ b [K, N] to `out` [M, N], plus `row` [N] unless it is None, then 0 for what is below it if
    `rectify`."""
    xp = array_module(a)
    xp.matmul(a, b, out=out)
    if row is not None:
        out += row
    if rectify:
        xp.maximum(out, 0, out=out)
