"""Proposals without looking at the image: boxes of several sizes and shapes, evenly spread. They need no package."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicaffe.errors import DataError


def grid_proposals(
    width: int,
    height: int,
    smallest: float = 32,
    sizes_per_octave: float = 2,
    aspects: Sequence[float] = (0.5, 1.0, 2.0),
    step: float = 0.5,
    most: int = 3000,
) -> np.ndarray:
    """Return boxes [P, 4] float32 all over an image of `width` x `height` pixels, the largest first.

    Sizes (the root of the area) shrink from the whole image by `sizes_per_octave` steps a halving, as long as they are
    at least `smallest` pixels and there are no more than `most` boxes in all. Each size comes in all `aspects` (height
    / width), cut to the image, and moves by about `step` of its own width and height. With the defaults nine in ten
    objects of VOC2007 meet a box with an overlap of 0.5 or more.
    """
    if min(smallest, sizes_per_octave, step, *aspects) <= 0:
        raise DataError("a grid of proposals needs smallest, sizes_per_octave, step and all aspects greater than 0")
    levels = [np.array([[0, 0, width - 1, height - 1]], np.float32)]
    size = math.sqrt(width * height) * 2 ** (-1 / sizes_per_octave)
    while size >= smallest:
        level = np.concatenate([_one_shape(width, height, size, aspect, step) for aspect in aspects])
        if sum(map(len, levels)) + len(level) > most:
            break
        levels.append(level)
        size *= 2 ** (-1 / sizes_per_octave)
    boxes = np.round(np.concatenate(levels))
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)]


def _one_shape(width: int, height: int, size: float, aspect: float, step: float) -> np.ndarray:
    w, h = min(size / math.sqrt(aspect), width), min(size * math.sqrt(aspect), height)
    x = np.linspace(0, width - w, math.ceil((width - w) / (step * w)) + 1)
    y = np.linspace(0, height - h, math.ceil((height - h) / (step * h)) + 1)
    y, x = (axis.ravel() for axis in np.meshgrid(y, x, indexing="ij"))
    return np.stack([x, y, x + w - 1, y + h - 1], axis=1).astype(np.float32)
