"""The smooth L1 distance (Girshick 2015): a parabola near zero, straight beyond 1/sigma^2."""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import array_module


def smooth_l1(d: Any, sigma: float) -> Any:
    """Return sigma^2 d^2 / 2 where |d| < 1/sigma^2, else |d| - 1/(2 sigma^2)."""
    xp = array_module(d)
    square = sigma * sigma
    size = xp.abs(d)
    return xp.where(size < 1 / square, 0.5 * square * d * d, size - 0.5 / square)


def smooth_l1_backward(d: Any, sigma: float) -> Any:
    """Return the derivative of `smooth_l1`: sigma^2 d near zero, the sign of d beyond."""
    xp = array_module(d)
    square = sigma * sigma
    return xp.where(xp.abs(d) < 1 / square, square * d, xp.sign(d))
