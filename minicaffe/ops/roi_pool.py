"""Region of interest pooling (Girshick 2015): the maximum over each cell of a grid laid on a box, as the forks'
roi_pooling_layer.

x [N, C, H, W]; rois [R, 5] hold (image, x1, y1, x2, y2), the box in input pixels, inclusive; y [R, C, pooled_h,
pooled_w]. Coordinates times `scale` are rounded half away from zero, the box is at least one pixel in size, and a cell
runs from the floor of its start to the ceiling of its end, clipped to the image: cells overlap, an empty one gives 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minicaffe.errors import NetError
from minicaffe.ops.arrays import LOWEST, array_module, as_numpy

# Coordinates are held within this, far beyond any image and safe as integers.
FAR = 1e9


class Cells(NamedTuple):
    """What rois mean on a feature map, all int64: image [R]; box [R, 4] (x1, y1, x2, y2 inclusive, neither clipped nor
    widened); the rows top[r, i] <= h < bottom[r, i] and columns left[r, j] <= w < right[r, j] of cell (i, j)."""

    image: np.ndarray
    box: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray


def roi_cells(rois: Any, pooled: tuple[int, int], scale: float, shape: tuple[int, ...]) -> Cells:
    """Return the cells of `rois` on feature maps of `shape` (N, C, H, W).

    NetError names the first roi that is not finite or whose image is not one of the N. The arithmetic is done in the
    precision of `rois`, since the rounding of a cell's end decides which pixels it holds.
    """
    rois = as_numpy(rois)
    check(rois, shape[0])
    scaled = np.clip(rois[:, 1:] * rois.dtype.type(scale), -FAR, FAR)
    whole = np.floor(np.abs(scaled))
    box = (np.copysign(whole + (np.abs(scaled) - whole >= 0.5), scaled)).astype(np.int64)
    x1, y1, x2, y2 = box.T
    top, bottom = _edges(y1, y2, pooled[0], shape[2], rois.dtype)
    left, right = _edges(x1, x2, pooled[1], shape[3], rois.dtype)
    return Cells(rois[:, 0].astype(np.int64), box, top, bottom, left, right)


def _edges(start: np.ndarray, end: np.ndarray, cells: int, size: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return where each cell begins and ends [R, cells] along an axis of `size` pixels."""
    step = np.maximum(end - start + 1, 1).astype(dtype)[:, None] / dtype.type(cells)
    cell = np.arange(cells + 1, dtype=dtype)
    first = np.floor(cell[:-1] * step).astype(np.int64) + start[:, None]
    last = np.ceil(cell[1:] * step).astype(np.int64) + start[:, None]
    return np.clip(first, 0, size), np.clip(last, 0, size)


def check(rois: np.ndarray, N: int) -> None:
    finite = np.isfinite(rois).all(axis=1)
    if not finite.all():
        r = int(np.argmin(finite))
        raise NetError(f"roi {r} is not finite: {rois[r].tolist()}")
    known = (rois[:, 0] > -1) & (rois[:, 0] < N)
    if not known.all():
        r = int(np.argmin(known))
        raise NetError(f"roi {r} {rois[r].tolist()} names image {rois[r, 0]:g}, but the batch holds 0 to {N - 1}")


def roi_pool(x: Any, rois: Any, pooled: tuple[int, int], scale: float, y: Any) -> None:
    """Write the largest element of every cell to `y`, 0 for an empty cell; NaN is never picked."""
    cells = roi_cells(rois, pooled, scale, x.shape)
    y[...] = 0
    for r, i, j, seen in _windows(x, cells):
        y[r, :, i, j] = array_module(x).where(seen > LOWEST, seen, x.dtype.type(LOWEST)).max(axis=1)


def roi_pool_backward(x: Any, rois: Any, dy: Any, scale: float, dx: Any) -> None:
    """Write to `dx` the sum of dy at the element that each cell picked, found anew from the x of the forward pass.

    The first of equal elements is picked, in row-major order. One outside the rounded box gets nothing: so a box that
    ends before it begins pools a pixel but passes no gradient.
    """
    xp = array_module(x)
    cells = roi_cells(rois, dy.shape[2:], scale, x.shape)
    channels = xp.arange(x.shape[1])
    dx[...] = 0
    for r, i, j, seen in _windows(x, cells):
        legal = seen > LOWEST
        picked = xp.where(legal, seen, x.dtype.type(LOWEST)).argmax(axis=1)
        width = int(cells.right[r, j] - cells.left[r, j])
        h, w = cells.top[r, i] + picked // width, cells.left[r, j] + picked % width
        x1, y1, x2, y2 = (int(edge) for edge in cells.box[r])
        passes = legal[channels, picked] & (h >= y1) & (h <= y2) & (w >= x1) & (w <= x2)
        dx[int(cells.image[r]), channels, h, w] += xp.where(passes, dy[r, :, i, j], dy.dtype.type(0))


def _windows(x: Any, cells: Cells) -> Iterator[tuple[int, int, int, Any]]:
    """Yield r, i, j and the elements [C, pixels] of every cell that is not empty."""
    for r, image in enumerate(cells.image):
        for i, (top, bottom) in enumerate(zip(cells.top[r], cells.bottom[r], strict=True)):
            for j, (left, right) in enumerate(zip(cells.left[r], cells.right[r], strict=True)):
                if top < bottom and left < right:
                    yield r, i, j, x[int(image), :, top:bottom, left:right].reshape(x.shape[1], -1)
