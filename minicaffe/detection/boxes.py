"""Boxes: overlap, the regression targets between two boxes, clipping, flipping, duplicates.

Every array is [R, 4], (x1, y1, x2, y2) in pixels, 0-based and inclusive. Conventions are those of the published Fast
R-CNN code, down to its asymmetry: `encode` measures widths with the +1, `decode` gives x2 = centre + width / 2
without a -1.
"""

from __future__ import annotations

import numpy as np


def widths_heights(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the inclusive widths and heights of `boxes` [R, 4]."""
    return boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union [A, B] of every box of `a` [A, 4] with every box of `b` [B, 4]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    aw, ah = widths_heights(a)
    bw, bh = widths_heights(b)
    w = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0]) + 1
    h = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1]) + 1
    intersection = np.maximum(w, 0) * np.maximum(h, 0)
    return intersection / ((aw * ah)[:, None] + (bw * bh)[None, :] - intersection)


def encode(boxes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (dx, dy, dw, dh) [R, 4]: how each of `boxes` must move and grow to become its `targets` box.

    dx, dy are in widths and heights of the box, dw, dh logarithms of the ratio of sizes (Girshick et al. 2014).
    """
    w, h = widths_heights(boxes)
    tw, th = widths_heights(targets)
    x, y = boxes[:, 0] + 0.5 * w, boxes[:, 1] + 0.5 * h
    tx, ty = targets[:, 0] + 0.5 * tw, targets[:, 1] + 0.5 * th
    return np.stack([(tx - x) / w, (ty - y) / h, np.log(tw / w), np.log(th / h)], axis=1)


def decode(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Return the boxes [R, 4 K] that the `deltas` [R, 4 K] (K classes) make of `boxes` [R, 4]."""
    w, h = (size[:, None] for size in widths_heights(boxes.astype(deltas.dtype, copy=False)))
    x, y = boxes[:, 0, None] + 0.5 * w, boxes[:, 1, None] + 0.5 * h
    tx, ty = deltas[:, 0::4] * w + x, deltas[:, 1::4] * h + y
    tw, th = np.exp(deltas[:, 2::4]) * w, np.exp(deltas[:, 3::4]) * h
    out = np.empty_like(deltas)
    out[:, 0::4], out[:, 1::4] = tx - 0.5 * tw, ty - 0.5 * th
    out[:, 2::4], out[:, 3::4] = tx + 0.5 * tw, ty + 0.5 * th
    return out


def clip(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return `boxes` [R, 4 K] moved into the image: x in [0, width - 1], y in [0, height - 1]."""
    out = np.empty_like(boxes)
    for i in range(4):
        np.clip(boxes[:, i::4], 0, (height if i % 2 else width) - 1, out=out[:, i::4])
    return out


def flip(boxes: np.ndarray, width: int) -> np.ndarray:
    """Return `boxes` as they lie in the image of `width` pixels mirrored left to right."""
    out = boxes.copy()
    out[:, 0], out[:, 2] = width - boxes[:, 2] - 1, width - boxes[:, 0] - 1
    return out


def first_of_equal(boxes: np.ndarray) -> np.ndarray:
    """Return the indices, ascending, of the first of each set of boxes that are equal when rounded to whole pixels."""
    x1, y1, x2, y2 = np.round(boxes).astype(np.int64).T
    first, second = (x1 << 32) + y1, (x2 << 32) + y2
    order = np.lexsort((second, first))  # stable: among equals, the first comes first
    first, second = first[order], second[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return np.sort(order[is_new])


def large_enough(boxes: np.ndarray, size: int) -> np.ndarray:
    """Return the indices of boxes with x2 - x1 >= size and y2 - y1 > size, the published code's filter for tiny
    proposals."""
    return np.flatnonzero((boxes[:, 2] - boxes[:, 0] >= size) & (boxes[:, 3] - boxes[:, 1] > size))
