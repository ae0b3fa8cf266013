"""Arrays seen as (outer, D, inner), with one number for each of D channels: x, y, dy, dx; the others are [D].

What BatchNorm and Scale consist of, alone or one after the other, and the sums of other layers.
"""

from __future__ import annotations

from typing import Any

from minicaffe.ops.arrays import array_module


def normalise(
    x: Any, mean: Any, factor: Any, gain: Any, bias: Any, y: Any, kept: Any = None, rectify: bool = False
) -> None:
    """Write h = (x - mean) * factor to `kept`, and h * gain + bias, not below 0 if `rectify`, to `y`.

    mean and factor may be None together (h is x), and so may gain, bias and kept, each alone. `y` may be x.
    """
    xp = array_module(x)
    if mean is None:
        h = x
    else:
        h = xp.subtract(x, mean[:, None], out=y)
        h *= factor[:, None]
    if kept is not None:
        kept[...] = h
    if gain is not None:
        h = xp.multiply(h, gain[:, None], out=y)
    if h is not y:
        y[...] = h
    if bias is not None:
        y += bias[:, None]
    if rectify:
        xp.maximum(y, 0, out=y)


def channel_moments(x: Any) -> tuple[Any, Any]:
    """Return mean and biased variance of every channel; zeros where it has no numbers."""
    values = max(x.shape[0] * x.shape[2], 1)
    mean = x.sum(axis=(0, 2)) / x.dtype.type(values)
    centred = x - mean[:, None]
    return mean, (centred * centred).sum(axis=(0, 2)) / x.dtype.type(values)


def channel_sums(dy: Any, x: Any = None) -> tuple[Any, Any]:
    """Return the sums of dy and of dy * x (None without x) over each channel."""
    # Rows first: their numbers lie together.
    return dy.sum(axis=2).sum(axis=0), None if x is None else (dy * x).sum(axis=2).sum(axis=0)


def batch_norm_backward(dy: Any, y: Any, factor: Any, dx: Any) -> None:
    """Write (dy - mean dy - y * mean(dy * y)) * factor to `dx`, which may be dy; the means are those of a channel."""
    xp = array_module(dy)
    values = dy.dtype.type(max(dy.shape[0] * dy.shape[2], 1))
    sums, dots = channel_sums(dy, y)
    through = y * (dots / values)[:, None]
    through += (sums / values)[:, None]
    xp.subtract(dy, through, out=dx)
    dx *= factor[:, None]
