"""Arrays seen as (outer, D, inner): what belongs to one of D channels is summed over the outer and inner axes.

On the CPU long rows go through BLAS, which is faster than a running sum, and more exact because it adds by blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LONG_ROW = 64  # from here on a BLAS call for every row costs less than it gains
BLOCK = 1 << 14  # a dot product of more numbers than this loses digits: BLAS keeps only a few dozen running sums


def column(b: np.ndarray) -> np.ndarray:
    """Return `b`, one number a channel, as (D, 1): it broadcasts over (outer, D, inner)."""
    return b.reshape(-1, 1)


def channel_sum(xp: Any, x: np.ndarray) -> np.ndarray:
    """Return (D,): the sums of `x` (outer, D, inner) over outer and inner."""
    outer, channels, inner = x.shape
    if xp is not np:
        return x.sum(axis=2).sum(axis=0)  # rows first, which lie together
    if inner == 1:
        return x.reshape(outer, channels).sum(axis=0)
    return (x.reshape(outer * channels, inner) @ xp.ones(inner, x.dtype)).reshape(outer, channels).sum(axis=0)


def channel_dot(xp: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (D,): the sums of x · y, both (outer, D, inner), over outer and inner."""
    if xp is not np:
        return (x * y).sum(axis=2).sum(axis=0)
    if x.shape[2] < LONG_ROW:
        return xp.einsum("odi,odi->d", x, y)
    total = xp.zeros(x.shape[1], x.dtype)
    for start in range(0, x.shape[2], BLOCK):
        part = slice(start, start + BLOCK)
        total += xp.matmul(x[:, :, None, part], y[:, :, part, None])[:, :, 0, 0].sum(axis=0)
    return total
