"""Non-maximum suppression, each box that stays against all that follow it, several at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import nms as definition
from minicaffe.ops.cpu.kernel import kernel, suits


def nms(boxes: Any, scores: Any, threshold: float, inclusive: bool = False) -> Any:
    """As `minicaffe.ops.nms.nms`."""
    boxes, order = definition.ordered(boxes, scores)
    edges = np.ascontiguousarray(boxes[order].T)
    if not suits(edges):
        return definition.nms(boxes, scores, threshold, inclusive)
    limit = definition.highest_allowed(edges.dtype, threshold, inclusive)
    gone = np.zeros(len(order), np.bool_)
    _suppress(*edges, edges.dtype.type(1), limit, gone)
    return order[~gone]


def nms_by_group(boxes: Any, scores: Any, keys: Any, threshold: float) -> Any:
    """As `minicaffe.ops.nms.nms_by_group`."""
    return definition.nms_by_group(boxes, scores, keys, threshold, nms)


@kernel
def _suppress(x1: Any, y1: Any, x2: Any, y2: Any, one: Any, limit: Any, gone: Any) -> None:
    zero = one - one
    R = np.uintp(len(gone))
    area = (x2 - x1 + one) * (y2 - y1 + one)
    for i in range(R):
        if gone[i]:
            continue
        left, top, right, bottom, mine = x1[i], y1[i], x2[i], y2[i], area[i]
        for j in range(i + np.uintp(1), R):
            w = min(right, x2[j]) - max(left, x1[j]) + one
            h = min(bottom, y2[j]) - max(top, y1[j]) + one
            intersection = max(w, zero) * max(h, zero)
            gone[j] |= intersection / (mine + area[j] - intersection) > limit
