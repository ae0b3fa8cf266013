"""Region pooling with the channels innermost: the largest of all channels of a cell at once, a vector at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import roi_pool as definition
from minicaffe.ops.arrays import LOWEST
from minicaffe.ops.cpu.kernel import kernel, suits
from minicaffe.ops.cpu.team import divide
from minicaffe.ops.cpu.threads import run

# Channels are handled in slices of this many: the backward pass gives them to threads.
CHANNELS = 64


def roi_pool(x: Any, rois: Any, pooled: tuple[int, int], scale: float, y: Any) -> None:
    """As `minicaffe.ops.roi_pool.roi_pool`."""
    if not suits(x, y):
        definition.roi_pool(x, rois, pooled, scale, y)
        return
    cells = definition.roi_cells(rois, pooled, scale, x.shape)
    image = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    run(_pool, len(y), 4, image, *cells, x.dtype.type(LOWEST), y)


def roi_pool_backward(x: Any, rois: Any, dy: Any, scale: float, dx: Any) -> None:
    """As `minicaffe.ops.roi_pool.roi_pool_backward`."""
    if not suits(x, dy, dx):
        definition.roi_pool_backward(x, rois, dy, scale, dx)
        return
    cells = definition.roi_cells(rois, dy.shape[2:], scale, x.shape)
    image = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    total = np.zeros_like(image)
    lowest = x.dtype.type(LOWEST)
    run(_backward, x.shape[1], CHANNELS, image, *cells, lowest, dy, total)
    dx[...] = total.transpose(0, 3, 1, 2)


@kernel
def _pool(
    lo: int,
    hi: int,
    team: Any,
    x: Any,
    image: Any,
    box: Any,
    top: Any,
    bottom: Any,
    left: Any,
    right: Any,
    lowest: Any,
    y: Any,
) -> None:
    if divide(lo, hi, team):
        return
    C = np.uintp(x.shape[3])
    h, w = y.shape[2:]
    best = np.empty((h * w, x.shape[3]), x.dtype)
    for r in range(lo, hi):
        for i in range(h):
            for j in range(w):
                largest = best[i * w + j]
                empty = top[r, i] >= bottom[r, i] or left[r, j] >= right[r, j]
                largest[:] = 0 if empty else lowest
                for row in range(top[r, i], bottom[r, i]):
                    for column in range(left[r, j], right[r, j]):
                        pixel = x[image[r], row, column]
                        for c in range(C):
                            largest[c] = pixel[c] if pixel[c] > largest[c] else largest[c]
        out = y[r].reshape(x.shape[3], h * w)
        for c in range(x.shape[3]):
            for cell in range(h * w):
                out[c, cell] = best[cell, c]


@kernel
def _backward(
    lo: int, hi: int, team: Any, x: Any, image: Any, box: Any, top: Any, bottom: Any, left: Any, right: Any,
    lowest: Any, dy: Any, dx: Any,
) -> None:  # fmt: skip
    if divide(lo, hi, team):
        return
    W = x.shape[2]
    span = np.uintp(hi - lo)
    best = np.empty(hi - lo, x.dtype)
    picked = np.empty(hi - lo, np.int32)
    for r in range(len(image)):
        x1, y1, x2, y2 = box[r]
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                best[:] = lowest
                picked[:] = -1
                for row in range(top[r, i], bottom[r, i]):
                    for column in range(left[r, j], right[r, j]):
                        pixel = x[image[r], row, column, lo:hi]
                        index = np.int32(row * W + column)
                        for c in range(span):
                            better = pixel[c] > best[c]
                            best[c] = pixel[c] if better else best[c]
                            picked[c] = index if better else picked[c]
                for c in range(hi - lo):
                    row, column = picked[c] // W, picked[c] % W
                    if picked[c] >= 0 and x1 <= column <= x2 and y1 <= row <= y2:
                        dx[image[r], row, column, lo + c] += dy[r, lo + c, i, j]
