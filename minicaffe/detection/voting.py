"""Box voting: boxes that suppression would throw away still say where the object ends.

Source: Gidaris and Komodakis, "Object detection via a multi-region and semantic segmentation-aware CNN model" (2015),
section 5; with the iterative localisation of `minicaffe.detection.detect` it makes the "+B" rows of the OHEM paper.
"""

from __future__ import annotations

import numpy as np

from minicaffe.detection import boxes as geometry

_PAIRS = 1 << 21  # of boxes compared at a time: a net unsure of everything may leave tens of thousands


def vote(kept: np.ndarray, pool: np.ndarray, overlap: float = 0.5) -> np.ndarray:
    """Return `kept` [N, 5] with each box moved to the mean of those of `pool` [M, 5] that overlap it, by their scores.

    Rows are x1, y1, x2, y2, score, all of one class; boxes with an IoU of at least `overlap` vote, negative scores (of
    an SVM) weigh nothing. Scores stay, and so does a box for which nobody votes.
    """
    if len(kept) == 0 or len(pool) == 0:
        return kept.copy()
    voted = kept.copy()
    rows = max(_PAIRS // len(pool), 1)
    for block in (slice(start, start + rows) for start in range(0, len(kept), rows)):
        overlaps = geometry.iou(kept[block, :4], pool[:, :4])
        weights = np.where(overlaps >= overlap, np.maximum(pool[:, 4], 0), 0.0)
        total = weights.sum(axis=1)
        heard = total > 0
        voted[block, :4][heard] = (weights[heard] @ pool[:, :4]) / total[heard, None]
    return voted
