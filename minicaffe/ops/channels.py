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


def normalise_backward(dy: Any, y: Any, h: Any, factor: Any, gain: Any, batch: bool, dx: Any) -> tuple[Any, Any]:
    """The gradient of `normalise`, in reverse, given dy and its h and y; y unless None was rectified, h may be None.

    With d = dy where y > 0, write d * gain * factor to `dx`, which may be dy; gain may be None. `batch`: mean and
    factor were those of x itself, so with e = d * gain write (e - mean e - h * mean(e * h)) * factor. Return the sums
    of d, and of d * h, over each channel.
    """
    xp = array_module(dy)
    d = dy if y is None else dy * (y > 0)
    sums, dots = channel_sums(d, h)
    if batch:
        values = dy.dtype.type(max(dy.shape[0] * dy.shape[2], 1))
        d = d - h * (dots / values)[:, None] - (sums / values)[:, None]
    xp.multiply(d, (factor if gain is None else factor * gain)[:, None], out=dx)
    return sums, dots


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
