"""Non-maximum suppression on a GPU: a bit for every pair of boxes, then one pass over the boxes in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.ops import nms as definition
from minicaffe.ops.arrays import array_module
from minicaffe.ops.cuda.launch import launch, suits

SWEEPERS = 64  # threads of the one block that sweeps


def nms(boxes: Any, scores: Any, threshold: float, inclusive: bool = False) -> Any:
    """As `minicaffe.ops.nms.nms`."""
    xp = array_module(boxes)
    boxes, order = _ordered(boxes, scores)
    kept = _kept(boxes[order], xp.zeros((len(order), 0), boxes.dtype), threshold, inclusive)
    return order[xp.flatnonzero(kept)]


def nms_by_group(boxes: Any, scores: Any, keys: Any, threshold: float) -> Any:
    """As `minicaffe.ops.nms.nms_by_group`."""
    xp = array_module(boxes)
    boxes, order = _ordered(boxes, scores)
    stays = xp.empty(len(order), np.bool_)
    stays[order] = _kept(boxes[order], keys[order].astype(boxes.dtype), threshold, False)
    return xp.flatnonzero(stays)


def _ordered(boxes: Any, scores: Any) -> tuple[Any, Any]:
    """Return `boxes` as floats, and their order by falling score, both on the device."""
    definition.check(boxes, scores)
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(np.float32)
    return boxes, array_module(boxes).argsort(-scores.astype(np.float64), kind="stable")


def _kept(boxes: Any, keys: Any, threshold: float, inclusive: bool) -> Any:
    """Return booleans [R]: which of the boxes, in their order, nobody of their group suppresses."""
    xp, R = array_module(boxes), len(boxes)
    if not suits(boxes, keys):  # float16
        boxes, keys = boxes.astype(np.float32), keys.astype(np.float32)
    words = -(-R // 64)
    suppressed, gone = xp.empty((R, words), np.uint64), xp.zeros(words, np.uint64)
    kept = xp.empty(R, np.bool_)
    limit = definition.highest_allowed(boxes.dtype, threshold, inclusive)
    launch("nms", "pairs", R * words, boxes, keys, suppressed, R, keys.shape[1], words, limit)
    launch("nms", "sweep", R, suppressed, gone, kept, R, words, threads=SWEEPERS, blocks=1)
    return kept
