"""The smooth L1 distance on a GPU, in one pass."""

from __future__ import annotations

from typing import Any

from minicaffe.ops import smooth_l1 as definition
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda.launch import launch, suits


def smooth_l1(d: Any, sigma: float) -> Any:
    """As `minicaffe.ops.smooth_l1.smooth_l1`."""
    if not suits(d):
        return definition.smooth_l1(d, sigma)
    y, square = array_module(d).empty_like(d), float(sigma * sigma)
    launch("smooth_l1", "forward", d.size, d, y, d.size, 0.5 * square, 1 / square, 0.5 / square)
    return y


def smooth_l1_backward(d: Any, sigma: float) -> Any:
    """As `minicaffe.ops.smooth_l1.smooth_l1_backward`."""
    if not suits(d):
        return definition.smooth_l1_backward(d, sigma)
    dx, square = array_module(d).empty_like(d), float(sigma * sigma)
    launch("smooth_l1", "backward", d.size, d, dx, d.size, square, 1 / square)
    return dx
