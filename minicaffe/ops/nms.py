"""Non-maximum suppression: of boxes that overlap, keep the one with the highest score.

boxes [R, 4] (x1, y1, x2, y2) in pixels, inclusive; scores [R]. Overlap is intersection over union, in the precision of
the boxes. Suppression is where the published implementations differ, by the boxes that overlap exactly as much as the
threshold says: those for GPUs and in plain Python suppress above it, the one in Cython from it on (`inclusive`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minicaffe.errors import NetError
from minicaffe.ops.arrays import array_module, as_numpy


def nms(boxes: Any, scores: Any, threshold: float, inclusive: bool = False) -> Any:
    """Return the indices (int64) of the boxes that stay, by falling score; of equal scores the lower index goes first.

    A box goes when its overlap with one that stays is above `threshold`, or, if `inclusive`, equal to it. Scores that
    are NaN come last. An overlap that is undefined, two boxes without area, suppresses nothing.
    """
    xp = array_module(boxes)
    boxes, order = ordered(boxes, scores)
    limit = highest_allowed(boxes.dtype, threshold, inclusive)
    boxes = boxes[order]
    left = xp.arange(len(boxes))
    kept = []
    while left.size:
        kept.append(int(left[0]))
        overlap = _overlap(xp, boxes[left[0]], boxes[left[1:]])
        left = left[1:][~(overlap > limit)]
    return order[xp.asarray(kept, dtype=np.int64)]


def nms_by_group(
    boxes: Any, scores: Any, keys: Any, threshold: float, alone: Callable[[Any, Any, float], Any] = nms
) -> Any:
    """Return the indices (int64), ascending, of the boxes that stay when only those of one group suppress each other.

    keys [R, K]: boxes are of one group if their K numbers are the same. `alone` is `nms` of one group.
    """
    xp = array_module(boxes)
    columns = as_numpy(keys).T
    kept = [np.zeros(0, np.int64)]
    for key in itertools.product(*map(np.unique, columns)):
        members = np.flatnonzero(np.all([column == one for column, one in zip(columns, key, strict=True)], axis=0))
        rows = xp.asarray(members)
        kept.append(members[as_numpy(alone(boxes[rows], scores[rows], threshold))])
    return xp.asarray(np.sort(np.concatenate(kept)))


def ordered(boxes: Any, scores: Any) -> tuple[Any, Any]:
    """Return `boxes` as floats, and their order by falling score; NetError unless [R, 4] and [R] go together."""
    xp = array_module(boxes)
    check(boxes, scores)
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(np.float32)
    # -scores would wrap round for unsigned integers, and has no order that NumPy and CuPy sort equally in float16.
    order = np.argsort(-as_numpy(scores).astype(np.float64), kind="stable")
    return boxes, xp.asarray(order.astype(np.int64, copy=False))


def check(boxes: Any, scores: Any) -> None:
    """Raise NetError unless `boxes` [R, 4] and `scores` [R] go together."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise NetError(f"nms takes boxes [R, 4] and scores [R], not {boxes.shape} and {scores.shape}")


def highest_allowed(dtype: Any, threshold: float, inclusive: bool) -> Any:
    """Return the largest overlap, a number of `dtype`, that does not suppress."""
    limit = np.dtype(dtype).type(threshold)
    return np.nextafter(limit, -np.inf, dtype=limit.dtype) if inclusive else limit


def _overlap(xp: Any, box: Any, others: Any) -> Any:
    """Return the intersection over union [K] of `box` [4] with `others` [K, 4]."""
    x1, y1, x2, y2 = others.T
    zero = box.dtype.type(0)
    w = xp.maximum(xp.minimum(box[2], x2) - xp.maximum(box[0], x1) + 1, zero)
    h = xp.maximum(xp.minimum(box[3], y2) - xp.maximum(box[1], y1) + 1, zero)
    intersection = w * h
    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return intersection / (area + areas - intersection)
