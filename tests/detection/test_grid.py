"""Proposals on a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.detection.boxes import iou, widths_heights
from minicaffe.detection.grid import grid_proposals
from minicaffe.errors import DataError


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 500))
def test_inside_distinct_and_not_too_many(width: int, height: int, most: int) -> None:
    boxes = grid_proposals(width, height, most=most)
    assert boxes.dtype == np.float32
    assert 1 <= len(boxes) <= most
    assert boxes[0].tolist() == [0, 0, width - 1, height - 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [width - 1, height - 1]).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert len(np.unique(boxes, axis=0)) == len(boxes)


def test_sizes_shrink_to_the_smallest() -> None:
    boxes = grid_proposals(640, 480, smallest=100, sizes_per_octave=1, aspects=(1.0,), most=10**6)
    w, h = widths_heights(boxes)
    sizes = np.sqrt(w * h)
    assert sizes.min() >= 99
    assert (np.diff(sizes) < 2).all()  # the largest first, but for rounding
    assert len(set(np.round(sizes / 5))) == 3  # 554, 277, 139


def test_shapes() -> None:
    w, h = widths_heights(grid_proposals(400, 400, aspects=(0.5, 2.0), sizes_per_octave=1))
    ratios = h / w
    assert ((np.abs(ratios - 0.5) < 0.05) | (np.abs(ratios - 2) < 0.2) | (ratios == 1)).all()
    assert (ratios < 0.6).sum() == (ratios > 1.7).sum()


def test_finer_steps_overlap_more() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 200, (200, 2))
    wanted = np.concatenate([corners, corners + rng.uniform(60, 200, (200, 2))], axis=1)
    coarse, fine = (
        iou(grid_proposals(400, 400, step=step, most=10**6), wanted).max(axis=0).mean() for step in (0.5, 0.25)
    )
    assert 0.6 < coarse < fine


@pytest.mark.parametrize("wrong", [{"step": 0}, {"smallest": -1}, {"aspects": (1, 0)}, {"sizes_per_octave": 0}])
def test_impossible_grids(wrong: dict) -> None:
    with pytest.raises(DataError, match="greater than 0"):
        grid_proposals(60, 40, **wrong)


def test_most_objects_of_voc_are_met(shared: Path) -> None:
    from minicaffe.detection.coco import read_coco

    path = shared / "datasets" / "voc2007_gt" / "pascal_val2007.json"
    if not path.is_file():
        pytest.skip("no ../shared/datasets/voc2007_gt: the truth of VOC2007 is not here")
    photographs = read_coco(path).photographs[::25]
    best = np.concatenate([iou(grid_proposals(*p.size), p.boxes).max(axis=0) for p in photographs])
    assert (best >= 0.5).mean() > 0.85
