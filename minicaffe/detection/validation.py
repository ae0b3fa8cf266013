"""What can be wrong with a box, found before anything is learnt from it and said by the name of its photograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minicaffe.detection import boxes as geometry
from minicaffe.detection.dataset import Photograph

_ROUNDING = 0.5  # pixels by which a box may stick out of its image before that is worth a word


def sound_objects(
    name: str, size: tuple[int, int], boxes: np.ndarray, calls: Sequence[str], problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the annotated `boxes` [G, 4] cut to an image of `size` (width, height), and the indices of the sound ones.

    A box at most a pixel wide or high, not finite or wholly outside is left out; one that reaches out is cut.
    `problems` gets a sentence for each, with the photograph's `name` and what the object is to be called (`calls`).
    """
    width, height = size
    cut = geometry.clip(boxes, height, width)
    degenerate = ~((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(axis=1))
    gone = ~degenerate & ~((cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1]))
    moved = ~degenerate & ~gone & (np.abs(boxes - cut) > _ROUNDING).any(axis=1)
    for i in np.flatnonzero(degenerate | gone | moved).tolist():
        if degenerate[i]:
            trouble = "is at most a pixel wide or high: left out"
        elif gone[i]:
            trouble = f"lies outside of the image ({width} x {height}): left out"
        else:
            trouble = f"reaches out of the image ({width} x {height}): cut to {_show(cut[i])}"
        problems.append(f"{name}: {calls[i]}, box {_show(boxes[i])}, {trouble}")
    return cut, np.flatnonzero(~(degenerate | gone))


def sound_proposals(name: str, size: tuple[int, int], boxes: np.ndarray, problems: list[str]) -> np.ndarray:
    """Return the proposals `boxes` [P, 4] cut to an image of `size`, without those that have x2 < x1, y2 < y1 or lie
    outside.

    `problems` gets a sentence for each kind of trouble, with how many boxes have it and the first of them.
    """
    width, height = size
    cut = geometry.clip(boxes, height, width)
    inverted = ~((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1]) & np.isfinite(boxes).all(axis=1))
    outside = (boxes[:, 0] > width - 1) | (boxes[:, 1] > height - 1) | (boxes[:, 2] < 0) | (boxes[:, 3] < 0)
    outside &= ~inverted
    moved = ~inverted & ~outside & (np.abs(boxes - cut) > _ROUNDING).any(axis=1)
    for mask, trouble in (
        (inverted, "with x2 < x1 or y2 < y1: left out"),
        (outside, f"outside of the image ({width} x {height}): left out"),
        (moved, f"reaching out of the image ({width} x {height}): cut"),
    ):
        if mask.any():
            first = int(mask.argmax())
            problems.append(
                f"{name}: {int(mask.sum())} of {len(boxes)} proposals {trouble}; the first is number {first + 1}, "
                f"{_show(boxes[first])}"
            )
    return cut[~(inverted | outside)]


def without_proposals(photograph: Photograph) -> str:
    """Return the problem of a photograph in which nothing will be looked for."""
    return f"{photograph.name}: has no proposals: left out"


def _show(box: np.ndarray) -> str:
    return f"({', '.join(f'{x:g}' for x in box)})"
