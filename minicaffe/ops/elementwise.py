"""Number by number: rectifiers, weighted sums, dropout.

x, y, dy, dx are of one shape; a result may be one of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops.arrays import array_module


def rectify(x: Any, slope: float, y: Any) -> None:
    """Write x where x > 0, slope * x elsewhere, to `y`; NaN stays."""
    xp = array_module(x)
    if slope == 0:
        xp.maximum(x, 0, out=y)
    else:
        # The larger of x and slope * x is y on both sides of zero while the slope is at most 1, the smaller beyond.
        (xp.maximum if slope <= 1 else xp.minimum)(x, x * slope, out=y)


def rectify_backward(x: Any, dy: Any, slope: float, dx: Any) -> None:
    """Write dy where x > 0, slope * dy where x <= 0, 0 * dy where x is NaN, to `dx`. x may be y while slope >= 0."""
    xp = array_module(x)
    if slope != 0:
        share = (x <= 0) * x.dtype.type(slope)
        share += x > 0
        xp.multiply(dy, share, out=dx)
    elif xp.may_share_memory(dx, dy):
        xp.multiply(dy, x > 0, out=dx)
    else:
        # Comparing straight into dx spares a mask and its conversion: a quarter of the time.
        xp.greater(x, 0, out=dx)
        dx *= dy


def weighted_sum(xs: Sequence[Any], weights: Sequence[float], y: Any, rectify: bool = False) -> None:
    """Write the sum of weights[i] * xs[i], added in this order, to `y`, which may be xs[0]; below 0 it is 0 if
    `rectify`."""
    xp = array_module(y)
    if list(weights[:2]) == [1, 1]:
        xp.add(xs[0], xs[1], out=y)
        start = 2
    else:
        xp.multiply(xs[0], weights[0], out=y)
        start = 1
    for x, weight in zip(xs[start:], weights[start:], strict=True):
        y += x if weight == 1 else weight * x
    if rectify:
        xp.maximum(y, 0, out=y)


def dropout(x: Any, bits: Any, ratio: float, factor: float, mask: Any, y: Any) -> None:
    """Draw the booleans `mask`, False with probability `ratio`, and write x * mask * factor to `y`.

    Every number takes a random 32-bit number, two from each draw of the bit generator `bits`, the low half first.
    """
    xp = array_module(x)
    size = math.prod(x.shape)
    drawn = bits.random_raw((size + 1) // 2).view(np.uint32)[:size]
    mask[...] = xp.asarray(drawn >= threshold(ratio)).reshape(x.shape)
    masked(x, mask, factor, y)


def threshold(ratio: float) -> Any:
    """Return the least 32-bit number that keeps, for a number that is to be dropped with probability `ratio`."""
    return np.uint32(min(round(ratio * 2**32), 2**32 - 1))


def masked(x: Any, mask: Any, factor: float, y: Any) -> None:
    """Write x * mask * factor to `y`."""
    array_module(x).multiply(x, mask, out=y)
    if factor != 1:
        y *= y.dtype.type(factor)
