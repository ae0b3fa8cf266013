"""A minibatch of Fast R-CNN: photographs as one blob, and the regions chosen in them with labels and targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minicaffe.detection import config
from minicaffe.detection.config import Config
from minicaffe.detection.image_blob import blob_shape, image_blob, image_scale, read_photograph
from minicaffe.detection.roidb import Regions
from minicaffe.detection.sampling import sample_all, sample_fast_rcnn
from minicaffe.detection.targets import network_form
from minicaffe.errors import DataError

Take = Callable[..., list[np.ndarray]]


def top_names(cfg: Config) -> tuple[str, ...]:
    """Return what the data layer's tops are, in their order."""
    targets = ("bbox_targets", "bbox_inside_weights", "bbox_outside_weights")
    return ("data", "rois", "labels", *(targets if cfg.TRAIN.BBOX_REG else ()))


def minibatch(
    roidb: Sequence[Regions], num_classes: int, cfg: Config | None = None, rng: np.random.Generator | None = None
) -> dict[str, np.ndarray]:
    """Return the tops made of these entries of a roidb, by name, float32.

    data [N, 3, H, W]; rois [K, 5]: the number of the photograph, then the box in pixels of `data`; labels [K]; and with
    TRAIN.BBOX_REG bbox_targets, bbox_inside_weights, bbox_outside_weights [K, 4 C]. Each photograph has one of
    TRAIN.SCALES, drawn from `rng`; its regions are a balanced draw of TRAIN.BATCH_SIZE / N, or with TRAIN.USE_OHEM all
    of them. DataError if a photograph cannot be read.
    """
    cfg = cfg or config.cfg
    rng = rng or np.random.default_rng(cfg.RNG_SEED)
    images = [read_photograph(regions.photograph, regions.flipped) for regions in roidb]
    return dict(zip(top_names(cfg), assemble(images, roidb, num_classes, cfg, rng, _new), strict=True))


def assemble(
    images: Sequence[np.ndarray],
    roidb: Sequence[Regions],
    num_classes: int,
    cfg: Config,
    rng: np.random.Generator,
    take: Take,
) -> list[np.ndarray]:
    """Return the tops for BGR `images` [H, W, 3] and their entries of the roidb; `take(*shapes)` gives the arrays."""
    t = cfg.TRAIN
    targets = [t.SCALES[i] for i in rng.integers(len(t.SCALES), size=len(images))]
    scales = [image_scale(image.shape[:2], side, t.MAX_SIZE) for image, side in zip(images, targets, strict=True)]
    rois, labels, tables = [], [], []
    for number, (regions, scale) in enumerate(zip(roidb, scales, strict=True)):
        sample = (
            sample_all(regions, cfg) if t.USE_OHEM else sample_fast_rcnn(regions, t.BATCH_SIZE // len(images), cfg, rng)
        )
        boxes = regions.boxes[sample.indices].astype(np.float64) * scale
        rois.append(np.insert(boxes, 0, number, axis=1))
        labels.append(sample.labels)
        if t.BBOX_REG:
            tables.append(_targets(regions)[sample.indices])
    count, columns = sum(map(len, labels)), 4 * num_classes
    if not count:
        names = ", ".join(regions.photograph.name for regions in roidb)
        raise DataError(f"{names}: no region is foreground or background as TRAIN defines them: see filter_roidb")
    tops = take(blob_shape(images, scales), (count, 5), (count,), *[(count, columns)] * (3 if t.BBOX_REG else 0))
    image_blob(images, scales, cfg.PIXEL_MEANS, out=tops[0])
    tops[1][...] = np.concatenate(rois)
    tops[2][...] = np.concatenate(labels)
    if t.BBOX_REG:
        for top, values in zip(
            tops[3:], network_form(np.concatenate(tables), num_classes, t.BBOX_INSIDE_WEIGHTS), strict=True
        ):
            top[...] = values
    return tops


def _targets(regions: Regions) -> np.ndarray:
    if regions.targets is None:
        raise DataError(
            f"{regions.photograph.name}: has no bbox targets yet: call add_targets(roidb, num_classes) first"
        )
    return regions.targets


def _new(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.empty(shape, np.float32) for shape in shapes]
