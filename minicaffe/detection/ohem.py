"""Online hard example mining: which of an image's regions to learn from, judged by the loss they have now.

Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online Hard Example Mining" (2016), as in
the code published with it. R regions, C classes, background included; all arrays live on one device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe import ops as _ops
from minicaffe.ops.arrays import array_module

SMALLEST = np.finfo(np.float64).eps  # stands in for a probability below it


def roi_losses(
    prob: Any, pred: Any, labels: Any, targets: Any = None, inside: Any = None, outside: Any = None, *, ops: Any = None
) -> Any:
    """Return the loss [R] of every region: of its class, and, given `targets`, of its box.

    prob [R, C] probabilities; labels [R] class numbers, truncated to integers; pred, targets, inside, outside [R, 4 C].
    Not divided by the number of regions. `ops` are the operations of the arrays' device (default: those of the CPU).
    """
    losses = classification_losses(prob, labels)
    if targets is not None:
        losses += regression_losses(pred, labels, targets, inside, outside, ops)
    return losses


def classification_losses(prob: Any, labels: Any) -> Any:
    """Return -ln max(p, 2^-52) [R] for the probability p that `prob` [R, C] gives each region's own class."""
    xp = array_module(prob)
    own = prob[xp.arange(len(prob)), labels.astype(np.int64)]
    return -xp.log(xp.maximum(own, own.dtype.type(SMALLEST)))


def regression_losses(pred: Any, labels: Any, targets: Any, inside: Any, outside: Any, ops: Any = None) -> Any:
    """Return w_out smoothL1(w_in (pred - target)) [R], summed over the numbers of a region whose w_in is not 0.

    inside and outside are w_in and w_out. Background, labels [R] of 0, has a loss of 0.
    """
    xp = array_module(pred)
    losses = xp.zeros(len(pred), pred.dtype)
    rows = xp.flatnonzero(labels > 0)
    inside = inside[rows]
    difference = inside * (pred[rows] - targets[rows])
    distance = outside[rows] * (ops or _ops.default()).smooth_l1(difference, 1.0)
    losses[rows] = xp.where(inside != 0, distance, distance.dtype.type(0)).sum(axis=1)
    return losses


def hard_examples(
    losses: Any, rois: Any, labels: Any, count: int, suppress: float | None = None, ops: Any = None
) -> Any:
    """Return the indices (int64) of the `count` regions of highest loss (all if fewer), highest first.

    losses [R], rois [R, 5] (image, x1, y1, x2, y2), labels [R]. `suppress`: first, among the regions of one image and
    one label (background too), drop those that overlap one of higher loss by more than this much, so that no spot is
    learned from twice. The count is for all images and labels together. Of equal losses the lower index goes first; NaN
    comes last.
    """
    xp = array_module(losses)
    if suppress is None:
        everyone = xp.arange(len(losses))
    else:
        keys = xp.concatenate((rois[:, :1], labels[:, None]), axis=1)  # image and label
        everyone = (ops or _ops.default()).nms_by_group(rois[:, 1:], losses, keys, suppress)
    order = xp.argsort(-losses[everyone], kind="stable")
    return everyone[order[:count]]
