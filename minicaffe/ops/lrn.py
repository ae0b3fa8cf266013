"""Local response normalisation across channels (Krizhevsky et al. 2012), as Caffe's lrn_layer: x, y, scale [N, C, ...].

scale_c = k + alpha/size * sum of x_j^2 over the channels j within (size - 1)/2 of c,   y = x * scale^-beta
"""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import array_module


def lrn_across(x: Any, size: int, alpha: float, beta: float, k: float, y: Any, scale: Any) -> None:
    """Write the normalised x to `y` and its denominator, which the backward pass needs, to `scale`. `size` is odd."""
    xp = array_module(x)
    _sum_over_channels(x * x, size, scale)
    scale *= alpha / size
    scale += k
    xp.power(scale, -beta, out=y)
    y *= x


def lrn_across_backward(x: Any, y: Any, scale: Any, dy: Any, size: int, alpha: float, beta: float, dx: Any) -> None:
    """Write to `dx`: dy * scale^-beta - 2*alpha*beta/size * x * (the sum of dy*y/scale over the same channels)."""
    xp = array_module(x)
    _sum_over_channels(dy * y / scale, size, dx)
    dx *= x
    dx *= -2 * alpha * beta / size
    dx += dy * xp.power(scale, -beta)


def _sum_over_channels(v: Any, size: int, out: Any) -> None:
    """Write to `out` the sum of v over each channel and the (size - 1)/2 before and after it."""
    reach, C = (size - 1) // 2, v.shape[1]
    out[...] = 0
    for shift in range(-min(reach, C), min(reach, C) + 1):
        out[:, max(0, -shift) : C - max(0, shift)] += v[:, max(0, shift) : C - max(0, -shift)]
