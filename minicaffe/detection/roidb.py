"""The roidb: for every photograph to learn from, its regions and what each of them shows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minicaffe.detection import boxes as geometry
from minicaffe.detection import config
from minicaffe.detection.config import Config
from minicaffe.detection.dataset import Dataset, Photograph
from minicaffe.detection.validation import without_proposals
from minicaffe.errors import DataError

log = logging.getLogger("minicaffe")


@dataclass
class Regions:
    """The regions of one photograph, upright or mirrored left to right: its objects first, then the proposals.

    boxes [R, 4] float32; gt_classes [R], the object's class, 0 for proposals; max_overlaps [R] float32, the overlap
    with the object that the region meets best; max_classes [R] int64, that object's class, 0 where there is no overlap;
    targets [R, 5] float32, see `minicaffe.detection.targets`.
    """

    photograph: Photograph
    flipped: bool
    boxes: np.ndarray
    gt_classes: np.ndarray
    max_overlaps: np.ndarray
    max_classes: np.ndarray
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def mirrored(self) -> Regions:
        """Return the regions of the photograph mirrored left to right, without targets."""
        boxes = geometry.flip(self.boxes, self.photograph.size[0])
        return replace(self, flipped=not self.flipped, boxes=boxes, targets=None)


def build_roidb(dataset: Dataset, proposals: Sequence[np.ndarray], cfg: Config | None = None) -> list[Regions]:
    """Return the regions of every photograph of `dataset`, then, with TRAIN.USE_FLIPPED, those of their mirror images.

    proposals: [P, 4] for each photograph. Errors and problems are those of `upright_roidb`.
    """
    cfg = cfg or config.cfg
    roidb = upright_roidb(dataset, proposals, cfg)
    return with_mirror_images(roidb) if cfg.TRAIN.USE_FLIPPED else roidb


def upright_roidb(dataset: Dataset, proposals: Sequence[np.ndarray], cfg: Config | None = None) -> list[Regions]:
    """Return the regions of every photograph of `dataset`, none of them mirrored.

    Objects marked difficult are left out unless TRAIN.USE_DIFFICULT. A photograph without objects or without proposals
    is left out and named in the problems of `dataset`, which are reported as BAD_DATA says. DataError if proposals are
    for another number of photographs, or nothing is left.
    """
    cfg = cfg or config.cfg
    if len(proposals) != len(dataset):
        raise DataError(f"{dataset.name} has {len(dataset)} photographs; there are proposals for {len(proposals)}")
    known = set(dataset.problems)
    roidb = []
    for photograph, boxes in zip(dataset, proposals, strict=True):
        wanted = np.ones(len(photograph.boxes), bool) if cfg.TRAIN.USE_DIFFICULT else ~photograph.difficult
        if not wanted.any():
            only = "only difficult objects" if len(wanted) else "no objects"
            dataset.problems.append(f"{photograph.name}: has {only}, nothing to learn from: left out")
        elif len(boxes):
            roidb.append(find_overlaps(photograph, photograph.boxes[wanted], photograph.classes[wanted], boxes))
        elif (problem := without_proposals(photograph)) not in known:
            dataset.problems.append(problem)
    dataset.report(cfg.BAD_DATA)
    if not roidb:
        raise DataError(f"{dataset.name}: of {len(dataset)} photographs none has both objects and proposals")
    return roidb


def find_overlaps(photograph: Photograph, objects: np.ndarray, classes: np.ndarray, proposals: np.ndarray) -> Regions:
    """Return the regions of a photograph with `objects` [G, 4] (G > 0) of `classes` [G], and `proposals` [P, 4]."""
    overlaps = geometry.iou(proposals, objects)
    best, best_overlap = overlaps.argmax(axis=1), overlaps.max(axis=1)
    none = np.zeros(len(proposals), np.int64)
    return Regions(
        photograph,
        False,
        np.concatenate([objects, proposals]).astype(np.float32),
        np.concatenate([classes, none]),
        np.concatenate([np.ones(len(objects)), best_overlap]).astype(np.float32),
        np.concatenate([classes, np.where(best_overlap > 0, classes[best], none)]),
    )


def with_mirror_images(roidb: Sequence[Regions]) -> list[Regions]:
    """Return `roidb`, followed by the same photographs mirrored left to right."""
    log.info("Appending horizontally-flipped training examples...")
    return [*roidb, *(regions.mirrored() for regions in roidb)]


def filter_roidb(roidb: Sequence[Regions], cfg: Config | None = None) -> list[Regions]:
    """Return the entries with a foreground or background region, as TRAIN's FG_THRESH and BG_THRESH_* define them."""
    t = (cfg or config.cfg).TRAIN
    kept = [
        regions
        for regions in roidb
        if (regions.max_overlaps >= t.FG_THRESH).any()
        or ((regions.max_overlaps < t.BG_THRESH_HI) & (regions.max_overlaps >= t.BG_THRESH_LO)).any()
    ]
    log.info("Filtered %d roidb entries: %d -> %d", len(roidb) - len(kept), len(roidb), len(kept))
    return kept


def recall(roidb: Iterable[Regions], threshold: float = 0.5) -> float:
    """Return the part of all objects that some proposal meets with an overlap of at least `threshold`."""
    best = []
    for regions in roidb:
        objects = regions.gt_classes > 0
        best.append(geometry.iou(regions.boxes[~objects], regions.boxes[objects]).max(axis=0, initial=0))
    return float((np.concatenate(best) >= threshold).mean()) if best else 0.0
