"""Local response normalisation on a GPU: a thread for each number."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.ops import lrn as definition
from minicaffe.ops.cuda.launch import launch, suits


def lrn_across(x: Any, size: int, alpha: float, beta: float, k: float, y: Any, scale: Any) -> None:
    """As `minicaffe.ops.lrn.lrn_across`."""
    if not suits(x, y, scale):
        definition.lrn_across(x, size, alpha, beta, k, y, scale)
        return
    launch("lrn", "forward", x.size, x, y, scale, *_frame(x, size), float(alpha / size), float(beta), float(k))


def lrn_across_backward(x: Any, y: Any, scale: Any, dy: Any, size: int, alpha: float, beta: float, dx: Any) -> None:
    """As `minicaffe.ops.lrn.lrn_across_backward`."""
    if not suits(x, y, scale, dy, dx):
        definition.lrn_across_backward(x, y, scale, dy, size, alpha, beta, dx)
        return
    factor = float(-2 * alpha * beta / size)
    launch("lrn", "backward", x.size, x, y, scale, dy, dx, *_frame(x, size), factor, float(beta))


def _frame(x: Any, size: int) -> tuple[int, int, int, int]:
    return x.shape[0], x.shape[1], math.prod(x.shape[2:]), (size - 1) // 2
