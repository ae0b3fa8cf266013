"""Pooling over the planes of x [N, C, H, W] into y [N, C, h, w]: maximum, average and stochastic, as Caffe's
pooling_layer.

The window of output (i, j) starts at (i*stride - pad) and is clipped to the image. `mask`, int32 and shaped like y,
holds the flat index h*W + w of the element that was picked within its plane, or -1 where a window is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicaffe.ops.arrays import LOWEST, array_module
from minicaffe.ops.im2col import taps

Pair = Sequence[int]


def pool_output_size(size: int, kernel: int, stride: int, pad: int, clip: bool, floor: bool = False) -> int:
    """Return how many windows Caffe lays along an axis: rounded up (or down), and with `clip` none starts in the
    padding.

    Caffe clips both axes as soon as either is padded. Zero or less: no window fits.
    """
    room = size + 2 * pad - kernel
    out = (room // stride if floor else -(-room // stride)) + 1
    return out - 1 if clip and (out - 1) * stride >= size + pad else out


def pool_max(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any, mask: Any) -> None:
    """Write the largest element of each window to `y` and its index to `mask`.

    The first of equal elements wins, in row-major order. NaN is never picked; a window with nothing above the lowest
    float32 gives that number and mask -1.
    """
    y[...] = LOWEST
    mask[...] = -1
    xp = array_module(x)
    for seen, index, where in _windows(x, kernel, stride, pad, y):
        best, at = y[(..., *where)], mask[(..., *where)]
        better = seen > best
        xp.copyto(best, seen, where=better)
        xp.copyto(at, xp.broadcast_to(index, at.shape), where=better)


def pool_max_backward(dy: Any, mask: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """Write to `dx` the sum of each dy at the element its `mask` names; of STOCHASTIC pooling too."""
    xp = array_module(dy)
    dx[...] = 0
    for seen, index, where in _windows(dx, kernel, stride, pad, dy):
        seen += xp.where(mask[(..., *where)] == index, dy[(..., *where)], dy.dtype.type(0))


def pool_ave(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> None:
    """Write to `y` the sum over each clipped window divided by the size it has when the padding counts as image."""
    y[...] = 0
    for seen, _, where in _windows(x, kernel, stride, pad, y):
        y[(..., *where)] += seen
    y /= divisor(x, kernel, stride, pad, y)


def pool_ave_backward(dy: Any, kernel: Pair, stride: Pair, pad: Pair, dx: Any) -> None:
    """Write to `dx` what each window spreads over its elements: dy divided as in `pool_ave`."""
    share = dy / divisor(dx, kernel, stride, pad, dy)
    dx[...] = 0
    for seen, _, where in _windows(dx, kernel, stride, pad, dy):
        seen += share[(..., *where)]


def pool_stochastic(x: Any, kernel: Pair, stride: Pair, pad: Pair, draws: Any, y: Any, mask: Any) -> None:
    """Pick an element of each window with a probability in proportion to its value, none of which may be negative.

    `draws`, shaped like y, are uniform in [0, 1): picked is the first element at which the running sum, in row-major
    order, reaches draw * sum. A window without elements, or with NaN among them, gives 0 and mask -1.
    """
    xp = array_module(x)
    total = xp.zeros_like(y)
    for seen, _, where in _windows(x, kernel, stride, pad, y):
        total[(..., *where)] += seen
    threshold = draws * total
    total[...] = 0
    y[...] = 0
    mask[...] = -1
    for seen, index, where in _windows(x, kernel, stride, pad, y):
        running, at, picked = total[(..., *where)], mask[(..., *where)], y[(..., *where)]
        running += seen
        reached = (running >= threshold[(..., *where)]) & (at < 0)
        xp.copyto(picked, seen, where=reached)
        xp.copyto(at, xp.broadcast_to(index, at.shape), where=reached)


def pool_expected(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> None:
    """Write what `pool_stochastic` picks on average: sum of squares over sum, 0 where the sum is not positive."""
    total = array_module(x).zeros_like(y)
    y[...] = 0
    for seen, _, where in _windows(x, kernel, stride, pad, y):
        total[(..., *where)] += seen
        y[(..., *where)] += seen * seen
    positive = total > 0
    total[~positive] = 1
    y /= total
    y *= positive


def _windows(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield, tap by tap, a view of the elements of x it sees, their index in the plane, and where y sees them."""
    xp = array_module(x)
    H, W = x.shape[2:]
    for _, where, reads in taps((H, W), y.shape[2:], kernel, stride, pad, (1, 1)):
        rows, columns = (xp.arange(n, dtype=np.int32)[span] for n, span in zip((H, W), reads, strict=True))
        yield x[(..., *reads)], rows[:, None] * np.int32(W) + columns, where


def divisor(x: Any, kernel: Pair, stride: Pair, pad: Pair, y: Any) -> Any:
    """Return the size [h, w] of each window, which ends at most `pad` beyond the image; 1 for one that begins there."""
    xp = array_module(x)
    sizes = []
    for size, positions, k, s, p in zip(x.shape[2:], y.shape[2:], kernel, stride, pad, strict=True):
        start = xp.arange(positions) * s - p
        sizes.append(xp.maximum(xp.minimum(start + k, size + p) - start, 1))
    return (sizes[0][:, None] * sizes[1]).astype(y.dtype)
