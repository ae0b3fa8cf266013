"""Number by number on a GPU: one launch, one pass over memory. Dropout, which draws, is a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.ops import elementwise as definition
from minicaffe.ops.cuda.launch import launch, suits


def rectify(x: Any, slope: float, y: Any) -> None:
    """As `minicaffe.ops.elementwise.rectify`."""
    if suits(x, y):
        launch("elementwise", "rectify", x.size, x, float(slope), y, x.size)
    else:
        definition.rectify(x, slope, y)


def rectify_backward(x: Any, dy: Any, slope: float, dx: Any) -> None:
    """As `minicaffe.ops.elementwise.rectify_backward`."""
    if suits(x, dy, dx):
        launch("elementwise", "rectify_backward", x.size, x, dy, float(slope), dx, x.size)
    else:
        definition.rectify_backward(x, dy, slope, dx)


def weighted_sum(xs: Sequence[Any], weights: Sequence[float], y: Any, rectify: bool = False) -> None:
    """As `minicaffe.ops.elementwise.weighted_sum`."""
    if not suits(*xs, y) or (len(xs) == 1 and rectify):
        definition.weighted_sum(xs, weights, y, rectify)
        return
    first, share = xs[0], float(weights[0])
    if len(xs) == 1:
        launch("elementwise", "scaled", y.size, first, share, y, y.size)
    for i in range(1, len(xs)):
        rectifies = int(rectify and i == len(xs) - 1)
        launch("elementwise", "sum_of_two", y.size, first, share, xs[i], float(weights[i]), y, y.size, rectifies)
        first, share = y, 1.0


def masked(x: Any, mask: Any, factor: float, y: Any) -> None:
    """As `minicaffe.ops.elementwise.masked`."""
    if suits(x, y) and mask.flags.c_contiguous and mask.dtype == np.bool_:
        launch("elementwise", "masked", x.size, x, mask, float(factor), y, x.size)
    else:
        definition.masked(x, mask, factor, y)
