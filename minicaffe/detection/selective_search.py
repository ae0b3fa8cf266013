"""Proposals by Selective Search (Uijlings et al. 2013), computed by OpenCV's contributed modules (the extra `ss`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicaffe.data import images
from minicaffe.errors import missing_dependency

_WIDTH = 500  # the width at which the published boxes were computed: sizes of segments are in pixels


def available() -> bool:
    """Whether OpenCV is here with its contributed modules."""
    return _segmentation() is not None


def selective_search(image: np.ndarray, thorough: bool = False) -> np.ndarray:
    """Return proposals [P, 4] float32 for a BGR image, sorted by their corners.

    `thorough` takes the "quality" strategies, several times as many boxes and seconds, instead of the "fast" ones.
    MissingDependencyError without opencv-contrib.
    """
    segmentation = _segmentation()
    if segmentation is None:
        raise missing_dependency("opencv-contrib-python-headless", "ss", "Selective Search")
    height, width = image.shape[:2]
    scale = _WIDTH / width
    search = segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(images.resize(image, max(round(height * scale), 1), _WIDTH))
    if thorough:
        search.switchToSelectiveSearchQuality()
    else:
        search.switchToSelectiveSearchFast()
    x, y, w, h = np.asarray(search.process(), np.float64).reshape(-1, 4).T
    corners = np.stack([x, y, x + w, y + h], axis=1) / scale - [0, 0, 1, 1]
    limits = np.array([width, height] * 2) - 1
    # OpenCV ranks the boxes with random numbers of its own, so that only their set can be repeated
    return np.unique(np.clip(np.round(corners), 0, limits), axis=0).astype(np.float32)


def _segmentation() -> Any:
    try:
        import cv2
    except ImportError:
        return None
    return getattr(getattr(cv2, "ximgproc", None), "segmentation", None)
