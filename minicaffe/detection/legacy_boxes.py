"""The published code's names for boxes: `fast_rcnn.bbox_transform`, `fast_rcnn.nms_wrapper`, `utils.cython_bbox`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe import ops
from minicaffe.detection import boxes as geometry


def bbox_overlaps(boxes: np.ndarray, query_boxes: np.ndarray) -> np.ndarray:
    """Return the overlap [N, K] of every one of `boxes` [N, 4] with every one of `query_boxes` [K, 4]."""
    return geometry.iou(boxes, query_boxes)


def bbox_transform(ex_rois: np.ndarray, gt_rois: np.ndarray) -> np.ndarray:
    """Return how `ex_rois` [R, 4] must move and grow to become `gt_rois` [R, 4]."""
    return geometry.encode(ex_rois, gt_rois)


def bbox_transform_inv(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Return the boxes [R, 4 K] that `deltas` [R, 4 K] make of `boxes` [R, 4]."""
    return geometry.decode(boxes, deltas)


def clip_boxes(boxes: np.ndarray, im_shape: Sequence[int]) -> np.ndarray:
    """Return `boxes` [R, 4 K] moved into an image of shape (height, width, …)."""
    return geometry.clip(boxes, int(im_shape[0]), int(im_shape[1]))


def nms(dets: np.ndarray, thresh: float, force_cpu: bool = False) -> list[int]:
    """Return which rows of `dets` [R, 5] (x1, y1, x2, y2, score) non-maximum suppression keeps, the surest first."""
    kept = ops.default().nms(dets[:, :4], dets[:, 4], thresh)
    return [int(i) for i in kept]
