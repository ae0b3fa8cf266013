"""Inference: a photograph and its proposals in, boxes with scores out.

`im_detect` runs the net; `detect` makes detections of what it says: one suppression a class, and if asked for, several
rounds of localisation and box voting; `detect_dataset` does it for every photograph. Sources: the published Fast R-CNN
code; Gidaris and Komodakis, "Object detection via a multi-region and semantic segmentation-aware CNN model" (2015),
which the OHEM paper follows for its "+B" rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicaffe import ops
from minicaffe.data import images
from minicaffe.detection import boxes as geometry
from minicaffe.detection import config
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.image_blob import pyramid
from minicaffe.detection.results import Detections, no_detections
from minicaffe.detection.voting import vote
from minicaffe.errors import DataError, NetError, did_you_mean
from minicaffe.net import Net
from minicaffe.phase import TEST
from minicaffe.proto import read_net

CANONICAL_AREA = 224 * 224  # of a box at the scale ImageNet nets know objects


@dataclass(frozen=True)
class Options:
    """What becomes of the scores and boxes of one photograph.

    threshold: scores up to it are dropped. limit: detections a photograph, the surest; 0 for all. rounds: how often
    boxes are looked at: 2 looks again at the boxes the first round moved, and keeps both. voting: whether boxes
    suppressed move those that stay; vote_overlap: the least IoU with which they do.
    """

    threshold: float = 0.05
    limit: int = 100
    rounds: int = 1
    voting: bool = False
    vote_overlap: float = 0.5


# -- the net ----------------------------------------------------------------------------------------------------------


def load(model: str | Path, weights: Any, cfg: Config | None = None) -> Net:
    """Return the detector of a test prototxt with its weights; only what is read after a pass stays in memory."""
    cfg = cfg or config.cfg
    definition = read_net(model)
    made = {top for layer in definition.layer for top in layer.top}
    return Net(definition, TEST, weights=weights, lean=made & {_scores(cfg), "bbox_pred"} or True)


def im_detect(
    net: Any, image: np.ndarray, boxes: np.ndarray, cfg: Config | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores [R, C] and boxes [R, 4 C], one for each class, of the regions `boxes` [R, 4] of `image`.

    image: BGR uint8 [H, W, 3]; boxes in its pixels. The net has inputs `data` and `rois` and blobs `cls_prob` and
    `bbox_pred` (TEST.SVM: `cls_score` instead of the first; without TEST.BBOX_REG boxes stay where they are). With
    several TEST.SCALES each box is looked at where its area is nearest 224 x 224. Regions that fall on the same cells
    of the feature map (DEDUP_BOXES) are computed once.
    """
    cfg = cfg or config.cfg
    C = class_count(net, cfg)
    if len(boxes) == 0:
        return np.zeros((0, C), np.float32), np.zeros((0, 4 * C), np.float32)
    boxes = np.asarray(boxes, np.float32)
    data, factors = pyramid(image, cfg.PIXEL_MEANS, cfg.TEST.SCALES, cfg.TEST.MAX_SIZE)
    rois = project(boxes, factors)
    index, inverse = distinct(rois, cfg.DEDUP_BOXES)
    _feed(net, "data", data)
    _feed(net, "rois", rois[index])
    net.forward_loss()
    scores = _rows(net, _scores(cfg), len(index))[inverse]
    if not cfg.TEST.BBOX_REG:
        return scores, np.tile(boxes, (1, C))
    deltas = _rows(net, "bbox_pred", len(index))[inverse]
    if deltas.shape[1] != 4 * C:
        raise NetError(f"bbox_pred gives {deltas.shape[1]} numbers a region; {C} classes need four each")
    with np.errstate(over="ignore"):  # an untrained net may ask for boxes larger than a float holds: clipped below
        moved = geometry.decode(boxes, deltas)
    return scores, geometry.clip(moved, *image.shape[:2])


def project(boxes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return `boxes` [R, 4] as rois [R, 5] float32: the level of the image pyramid, then the box at that scale.

    A box goes to the level, scaled by one of `factors` [L], at which its area is nearest to 224 x 224.
    """
    w, h = geometry.widths_heights(boxes)
    levels = np.abs((w * h)[:, None] * factors**2 - CANONICAL_AREA).argmin(axis=1)
    return np.column_stack([levels, boxes * factors[levels, None]]).astype(np.float32)


def distinct(rois: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the first of each set of `rois` [R, 5] equal when scaled and rounded, and the way back.

    `rois[index][inverse]` has R rows again. scale 0: every roi stands for itself.
    """
    if scale <= 0:
        return np.arange(len(rois)), np.arange(len(rois))
    cells = np.round(rois * rois.dtype.type(scale))
    cells[:, 0] = rois[:, 0]  # the published code scales the level too, and takes boxes of two levels for one
    _, index, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return index, inverse.reshape(-1)


def class_count(net: Any, cfg: Config | None = None) -> int:
    """Return how many classes `net` tells apart, background included; NetError if it is no net for inference."""
    cfg = cfg or config.cfg
    for name in ("data", "rois", _scores(cfg), *["bbox_pred"] * cfg.TEST.BBOX_REG):
        if name not in net.blobs:
            raise NetError(
                f"net {net.name!r} is no detector: it has no blob {name!r}{did_you_mean(name, net.blobs)}\n"
                "  expected inputs data and rois, and cls_prob and bbox_pred made of them, as in models/*/test.prototxt"
            )
    if not {"data", "rois"} <= set(net.inputs):
        raise NetError(
            f"net {net.name!r} takes {net.inputs} as inputs, a detector for inference takes data and rois: "
            "give the test prototxt, not the one for training"
        )
    return net.blobs[_scores(cfg)].data.shape[1]


def _scores(cfg: Config) -> str:
    return "cls_score" if cfg.TEST.SVM else "cls_prob"


def _feed(net: Any, name: str, values: np.ndarray) -> None:
    blob = net.blobs[name]
    blob.reshape(*values.shape)
    blob.data[...] = values


def _rows(net: Any, name: str, count: int) -> np.ndarray:
    return net.blobs[name].data.reshape(count, -1).copy()


# -- from scores to detections ----------------------------------------------------------------------------------------


def detect(
    net: Any, image: np.ndarray, boxes: np.ndarray, cfg: Config | None = None, options: Options | None = None
) -> list[np.ndarray]:
    """Return the detections in `image` of every class, [N, 5] float32 (x1, y1, x2, y2, score), the surest first.

    boxes [R, 4] are proposals; the entry of class 0, background, is empty.
    """
    cfg, options = cfg or config.cfg, options or Options()
    newest = candidates(*im_detect(net, image, boxes, cfg), options.threshold)
    pool = newest
    for _ in range(1, options.rounds):
        newest = look_again(net, image, newest, cfg, options.threshold)
        pool = [np.concatenate(pair) for pair in zip(pool, newest, strict=True)]
    found = surest([suppress(of_class, cfg.TEST.NMS) for of_class in pool], options.limit)
    if options.voting:  # leaves scores as they are, so that only the surest need votes
        found = [vote(kept, all_, options.vote_overlap) for kept, all_ in zip(found, pool, strict=True)]
    return found


def candidates(scores: np.ndarray, boxes: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Return for every class its boxes [N, 5] with a score above `threshold`, of scores [R, C] and boxes [R, 4 C]."""
    found = [np.zeros((0, 5), np.float32)]
    for j in range(1, scores.shape[1]):
        rows = np.flatnonzero(scores[:, j] > threshold)
        found.append(np.column_stack([boxes[rows, 4 * j : 4 * j + 4], scores[rows, j]]).astype(np.float32))
    return found


def look_again(net: Any, image: np.ndarray, found: list[np.ndarray], cfg: Config, threshold: float) -> list[np.ndarray]:
    """Score and move the boxes `found` once more, each as a region for its own class; same form as `candidates`."""
    numbers = np.repeat(np.arange(len(found)), [len(of_class) for of_class in found])
    scores, boxes = im_detect(net, image, np.concatenate(found)[:, :4], cfg)
    own = np.full_like(scores, -np.inf)
    rows = np.arange(len(numbers))
    own[rows, numbers] = scores[rows, numbers]
    return candidates(own, boxes, threshold)


def suppress(found: np.ndarray, threshold: float) -> np.ndarray:
    """Return the rows of `found` [N, 5] that non-maximum suppression leaves, the surest first."""
    if len(found) == 0:
        return found
    return found[ops.default().nms(found[:, :4], found[:, 4], threshold)]


def surest(found: list[np.ndarray], limit: int) -> list[np.ndarray]:
    """Return the `limit` surest detections over all classes; more only where the last of them are equally sure."""
    scores = np.concatenate([of_class[:, 4] for of_class in found])
    if limit <= 0 or len(scores) <= limit:
        return found
    least = np.sort(scores)[-limit]
    return [of_class[of_class[:, 4] >= least] for of_class in found]


def detect_dataset(
    net: Any,
    dataset: Dataset,
    proposals: Sequence[np.ndarray],
    cfg: Config | None = None,
    options: Options | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Detections:
    """Return the detections in every photograph of `dataset`, of which `proposals` has the regions [P, 4] in its order.

    A photograph that cannot be read is named in `dataset.problems` and has no detections, or ends the run (BAD_DATA).
    `progress(done, total)` is called after each photograph.
    """
    cfg = cfg or config.cfg
    if len(proposals) != len(dataset):
        raise DataError(f"{dataset.name}: {len(dataset)} photographs, but proposals for {len(proposals)}")
    if class_count(net, cfg) != len(dataset.classes):
        raise NetError(
            f"net {net.name!r} tells {class_count(net, cfg)} classes apart, {dataset.name} has {len(dataset.classes)}: "
            f"{', '.join(dataset.classes)}"
        )
    detections = no_detections(dataset)
    for i, (photograph, boxes) in enumerate(zip(dataset, proposals, strict=True)):
        try:
            found = detect(net, images.read(photograph.path), boxes, cfg, options)
        except DataError as error:
            dataset.problems.append(f"{photograph.name}: {error}: nothing is detected in it")
            dataset.report(cfg.BAD_DATA)
        else:
            for j, of_class in enumerate(found):
                detections[j][i] = of_class
        if progress:
            progress(i + 1, len(dataset))
    return detections
