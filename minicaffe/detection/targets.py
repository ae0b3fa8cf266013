"""What the box regression is to learn: for each region near an object, how it must move and grow to fit it.

A table of targets is [R, 5]: a class (0: nothing to learn) and dx, dy, dw, dh, as `boxes.encode` gives them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from minicaffe.detection import config
from minicaffe.detection.boxes import encode, iou
from minicaffe.detection.config import Config
from minicaffe.detection.roidb import Regions
from minicaffe.errors import DataError

log = logging.getLogger("minicaffe")

_NO_SPREAD = 1e-12  # a variance below this is nothing but rounding


def bbox_targets(regions: Regions, cfg: Config | None = None) -> np.ndarray:
    """Return the table [R, 5] float32 of `regions`, not normalised.

    Regions with an overlap of at least TRAIN.BBOX_THRESH learn the object they meet best; objects are the regions whose
    overlap is exactly 1. All other rows are zero.
    """
    cfg = cfg or config.cfg
    table = np.zeros((len(regions), 5), np.float32)
    objects = regions.boxes[regions.max_overlaps == 1].astype(np.float64)
    examples = np.flatnonzero(regions.max_overlaps >= cfg.TRAIN.BBOX_THRESH)
    if len(objects) and len(examples):
        boxes = regions.boxes[examples].astype(np.float64)
        table[examples, 0] = regions.max_classes[examples]
        table[examples, 1:] = encode(boxes, objects[iou(boxes, objects).argmax(axis=1)])
    return table


def add_targets(roidb: Sequence[Regions], num_classes: int, cfg: Config | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Give every entry of `roidb` its targets; return the means and deviations [4 C] float64 they are normalised with.

    Those are the statistics of each class over the whole of `roidb` (class 0: zero), or with
    TRAIN.BBOX_NORMALIZE_TARGETS_PRECOMPUTED those of the configuration, the same for every class. Without
    TRAIN.BBOX_NORMALIZE_TARGETS the targets stay as they are.
    """
    cfg = cfg or config.cfg
    t = cfg.TRAIN
    if not roidb:
        raise DataError("there are no regions to learn from: the roidb is empty")
    for regions in roidb:
        regions.targets = bbox_targets(regions, cfg)
    if t.BBOX_NORMALIZE_TARGETS_PRECOMPUTED:
        means, stds = (
            np.tile(np.array(x, np.float64), (num_classes, 1)) for x in (t.BBOX_NORMALIZE_MEANS, t.BBOX_NORMALIZE_STDS)
        )
    else:
        means, stds = _statistics(roidb, num_classes, cfg.EPS)
    log.info("bbox target means:\n%s\nbbox target stdevs:\n%s", means, stds)
    if t.BBOX_NORMALIZE_TARGETS:
        for regions in roidb:
            _normalise(regions, means, stds)
    return means.ravel(), stds.ravel()


def _statistics(roidb: Sequence[Regions], num_classes: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation [C, 4] of each class; the deviation is 1 where a class's targets are all the same."""
    rows = np.concatenate([regions.targets[regions.targets[:, 0] > 0] for regions in roidb])  # type: ignore[index]
    classes, values = rows[:, 0].astype(np.intp), rows[:, 1:].astype(np.float64)
    if len(classes) and classes.max() >= num_classes:
        raise DataError(f"the roidb has an object of class {classes.max()}, but there are only {num_classes} classes")

    def total(x: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(classes, column, num_classes) for column in x.T], axis=1)

    seen = np.bincount(classes, minlength=num_classes)
    count = seen[:, None] + eps
    means = total(values) / count
    variances = total(values**2) / count - means**2
    flat = (variances < _NO_SPREAD) & (seen > 0)[:, None]
    if flat.any():
        log.warning(
            "bbox targets of class(es) %s do not vary: they are not scaled", np.flatnonzero(flat.any(axis=1)).tolist()
        )
    return means, np.where(flat, 1, np.sqrt(np.maximum(variances, 0)))


def _normalise(regions: Regions, means: np.ndarray, stds: np.ndarray) -> None:
    assert regions.targets is not None
    rows = np.flatnonzero(regions.targets[:, 0] > 0)
    classes = regions.targets[rows, 0].astype(np.intp)
    regions.targets[rows, 1:] = (regions.targets[rows, 1:] - means[classes]) / stds[classes]


def network_form(
    table: np.ndarray, num_classes: int, inside_weights: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets, inside and outside weights, each [R, 4 C] float32, for a `table` [R, 5].

    A row fills the four columns of its class; the inside weights there are those given, the outside weights 1 where the
    inside ones are above 0. Rows of class 0 are zero.
    """
    targets, inside = (np.zeros((len(table), num_classes, 4), np.float32) for _ in range(2))
    rows = np.flatnonzero(table[:, 0] > 0)
    classes = table[rows, 0].astype(np.intp)
    targets[rows, classes] = table[rows, 1:]
    inside[rows, classes] = inside_weights
    flat = (len(table), 4 * num_classes)
    return targets.reshape(flat), inside.reshape(flat), (inside > 0).astype(np.float32).reshape(flat)
