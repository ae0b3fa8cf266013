"""BatchNorm and Scale on (outer, D, inner), each byte touched once for every pass that the formula needs.

A channel's sum is taken by one thread, in blocks whose sums are added in double precision: it does not depend on the
number of threads, and long rows lose no digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import channels as definition
from minicaffe.ops.cpu.kernel import kernel, reduction, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# Below this many elements a thread costs more than it saves.
ELEMENTS = 1 << 15
# A block of this many numbers is summed up in single precision.
BLOCK = 1 << 12


def normalise(
    x: Any, mean: Any, factor: Any, gain: Any, bias: Any, y: Any, kept: Any = None, rectify: bool = False
) -> None:
    """As `minicaffe.ops.channels.normalise`."""
    vectors = [v for v in (mean, factor, gain, bias) if v is not None]
    if not suits(x, y, *vectors, *(() if kept is None else (kept,))):
        definition.normalise(x, mean, factor, gain, bias, y, kept, rectify)
        return
    outer, D, inner = x.shape
    zero, one = np.zeros(D, x.dtype), np.ones(D, x.dtype)
    numbers = tuple(
        default if v is None else v for v, default in ((mean, zero), (factor, one), (gain, one), (bias, zero))
    )
    keeps = kept is not None
    arrays = x, y, kept if keeps else y
    if inner == 1:
        rows = tuple(array.reshape(outer, D) for array in arrays)
        run(_by_row, outer, ELEMENTS // max(D, 1) + 1, *rows, *numbers, keeps, rectify)
    else:
        planes = tuple(array.reshape(outer * D, inner) for array in arrays)
        run(_by_plane, outer * D, ELEMENTS // max(inner, 1) + 1, *planes, *numbers, keeps, rectify)


def channel_moments(x: Any) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.channel_moments`."""
    if not suits(x):
        return definition.channel_moments(x)
    mean, variance = np.empty((2, x.shape[1]), x.dtype)
    run(_moments, x.shape[1], _least(x), x, mean, variance)
    return mean, variance


def channel_sums(dy: Any, x: Any = None) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.channel_sums`."""
    if not suits(dy, *(() if x is None else (x,))):
        return definition.channel_sums(dy, x)
    sums, dots = np.empty((2, dy.shape[1]), dy.dtype)
    if x is None:
        run(_sums, dy.shape[1], _least(dy), dy, sums)
        return sums, None
    run(_sums_and_dots, dy.shape[1], _least(dy), dy, x, sums, dots)
    return sums, dots


def normalise_backward(dy: Any, y: Any, h: Any, factor: Any, gain: Any, batch: bool, dx: Any) -> tuple[Any, Any]:
    """As `minicaffe.ops.channels.normalise_backward`."""
    arrays = [x for x in (y, h, factor, gain) if x is not None]
    if not suits(dy, dx, *arrays):
        return definition.normalise_backward(dy, y, h, factor, gain, batch, dx)
    D, values = dy.shape[1], max(dy.shape[0] * dy.shape[2], 1)
    sums, dots = np.empty((2, D), dy.dtype)
    scale = factor if gain is None else factor * gain
    run(
        _normalise_backward, D, _least(dy),
        dy, dy if y is None else y, dy if h is None else h, scale, dy.dtype.type(1 / values), y is not None,
        h is not None, batch, dx, sums, dots,
    )  # fmt: skip
    return sums, None if h is None else dots


def _least(x: Any) -> int:
    """Return how many channels make work enough for a thread."""
    return ELEMENTS // max(x.shape[0] * x.shape[2], 1) + 1


@kernel
def _by_plane(
    lo: int, hi: int, team: Any, x: Any, y: Any, kept: Any, mean: Any, factor: Any, gain: Any, bias: Any, keeps: Any,
    rectify: Any,
) -> None:  # fmt: skip
    if divide(lo, hi, team):
        return
    zero = bias.dtype.type(0)
    for plane in range(lo, hi):
        d = plane % len(mean)
        m, f, g, b = mean[d], factor[d], gain[d], bias[d]
        source, to, keep = x[plane], y[plane], kept[plane]
        span = np.uintp(x.shape[1])
        if keeps:
            for i in range(span):
                h = (source[i] - m) * f
                keep[i] = h
                v = h * g + b
                to[i] = zero if rectify and v <= zero else v
        elif rectify:
            for i in range(span):
                v = (source[i] - m) * f * g + b
                to[i] = zero if v <= zero else v
        else:
            for i in range(span):
                to[i] = (source[i] - m) * f * g + b


@kernel
def _by_row(
    lo: int, hi: int, team: Any, x: Any, y: Any, kept: Any, mean: Any, factor: Any, gain: Any, bias: Any, keeps: Any,
    rectify: Any,
) -> None:  # fmt: skip
    if divide(lo, hi, team):
        return
    zero = bias.dtype.type(0)
    for row in range(lo, hi):
        source, to, keep = x[row], y[row], kept[row]
        for i in range(np.uintp(x.shape[1])):
            h = (source[i] - mean[i]) * factor[i]
            v = h * gain[i] + bias[i]
            if keeps:
                keep[i] = h
            to[i] = zero if rectify and v <= zero else v


@reduction
def _total(x: Any, d: int) -> float:
    """Sum up channel d."""
    outer, _, inner = x.shape
    total = 0.0
    for o in range(outer):
        for start in range(0, inner, BLOCK):
            part = x[o, d, start : start + BLOCK]
            s = x.dtype.type(0)
            for i in range(np.uintp(len(part))):
                s += part[i]
            total += s
    return total


@reduction
def _moments(lo: int, hi: int, team: Any, x: Any, mean: Any, variance: Any) -> None:
    if divide(lo, hi, team):
        return
    outer, _, inner = x.shape
    zero = x.dtype.type(0)
    for d in range(lo, hi):
        m = x.dtype.type(_total(x, d) / max(outer * inner, 1))
        total = 0.0
        for o in range(outer):
            for start in range(0, inner, BLOCK):
                part = x[o, d, start : start + BLOCK]
                s = zero
                for i in range(np.uintp(len(part))):
                    s += (part[i] - m) * (part[i] - m)
                total += s
        mean[d] = m
        variance[d] = total / max(outer * inner, 1)


@reduction
def _sums(lo: int, hi: int, team: Any, dy: Any, sums: Any) -> None:
    if divide(lo, hi, team):
        return
    for d in range(lo, hi):
        sums[d] = _total(dy, d)


@reduction
def _sums_and_dots(lo: int, hi: int, team: Any, dy: Any, x: Any, sums: Any, dots: Any) -> None:
    if divide(lo, hi, team):
        return
    outer, _, inner = dy.shape
    zero = dy.dtype.type(0)
    for d in range(lo, hi):
        total, product = 0.0, 0.0
        for o in range(outer):
            for start in range(0, inner, BLOCK):
                part, other = dy[o, d, start : start + BLOCK], x[o, d, start : start + BLOCK]
                s, p = zero, zero
                for i in range(np.uintp(len(part))):
                    s += part[i]
                    p += part[i] * other[i]
                total += s
                product += p
        sums[d], dots[d] = total, product


@reduction
def _normalise_backward(
    lo: int, hi: int, team: Any, dy: Any, y: Any, h: Any, scale: Any, share: Any, rectified: bool, keeps: bool,
    batch: bool, dx: Any, sums: Any, dots: Any,
) -> None:  # fmt: skip
    """One pass, but two with `batch`: the sums come first."""
    if divide(lo, hi, team):
        return
    outer, _, inner = dy.shape
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for d in range(lo, hi):
        total, product, factor = 0.0, 0.0, scale[d]
        for o in range(outer):
            for start in range(0, inner, BLOCK):
                error, own = dy[o, d, start : start + BLOCK], y[o, d, start : start + BLOCK]
                other = h[o, d, start : start + BLOCK]
                to, s, p = dx[o, d, start : start + BLOCK], zero, zero
                for i in range(np.uintp(len(error))):
                    e = error[i] * (one if not rectified or own[i] > zero else zero)
                    s += e
                    if keeps:
                        p += e * other[i]
                    if not batch:
                        to[i] = e * factor
                total += s
                product += p
        sums[d], dots[d] = total, product
        if batch:
            s, p = sums[d] * share, dots[d] * share
            for o in range(outer):
                error, own, other, to = dy[o, d], y[o, d], h[o, d], dx[o, d]
                for i in range(np.uintp(inner)):
                    e = error[i] * (one if not rectified or own[i] > zero else zero)
                    to[i] = (e - (other[i] * p + s)) * factor
