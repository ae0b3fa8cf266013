"""Non-maximum suppression: against loops over exact fractions, at ties of overlap and of score, and quickly."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.errors import NetError
from tests.ops.test_im2col import few

Box = tuple[int, int, int, int]


def overlap(a: Box, b: Box) -> Fraction:
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    intersection = max(w, 0) * max(h, 0)
    areas = sum((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return Fraction(intersection, areas - intersection)


def suppressed(boxes: list[Box], scores: list[int], threshold: Fraction, inclusive: bool) -> list[int]:
    """What stays, one box after another."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        overlaps = [overlap(boxes[i], boxes[j]) for j in kept]
        if all(o < threshold or (o == threshold and not inclusive) for o in overlaps):
            kept.append(i)
    return kept


@st.composite
def boxes(draw: st.DrawFn) -> list[Box]:
    corner, size = st.integers(0, 12), st.integers(0, 12)
    drawn = draw(st.lists(st.tuples(corner, corner, size, size), max_size=14))
    return [(x, y, x + w, y + h) for x, y, w, h in drawn]


@few
@given(
    boxes(),
    st.data(),
    st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(7, 10), Fraction(0), Fraction(1)]),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
)
def test_agrees_with_loops(
    ops: package.Ops, boxes: list[Box], data: st.DataObject, threshold: Fraction, inclusive: bool, dtype: Any
) -> None:
    scores = [data.draw(st.integers(0, 4)) for _ in boxes]
    array = np.array(boxes, dtype).reshape(-1, 4)
    kept = ops.nms(array, np.array(scores, dtype), float(threshold), inclusive)
    assert kept.dtype == np.int64
    assert kept.tolist() == suppressed(boxes, scores, threshold, inclusive)


def test_exactly_the_threshold(ops: package.Ops) -> None:
    """The two are 10 and 7 pixels, one within the other: an overlap of 0.7."""
    pair = np.array([[0, 0, 9, 0], [0, 0, 6, 0]], np.float32)
    scores = np.array([0.5, 0.9], np.float32)
    assert ops.nms(pair, scores, 0.7).tolist() == [1, 0]
    assert ops.nms(pair, scores, 0.7, inclusive=True).tolist() == [1]


def test_a_suppressed_box_suppresses_nothing(ops: package.Ops) -> None:
    """Each overlaps its neighbours by a half, and nothing else."""
    row = np.array([[0, 0, 9, 9], [3, 0, 12, 9], [6, 0, 15, 9]], np.float32)
    assert ops.nms(row, np.array([3, 2, 1]), 0.5).tolist() == [0, 2]


def test_no_boxes(ops: package.Ops) -> None:
    kept = ops.nms(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.5)
    assert (kept.shape, kept.dtype) == ((0,), np.int64)


def test_boxes_without_area_and_scores_that_are_nan(ops: package.Ops) -> None:
    empty = np.array([[5, 5, 4, 4], [5, 5, 4, 4], [0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    assert ops.nms(empty, np.array([1, 2, np.nan, 0.5]), 0.5).tolist() == [1, 0, 3]


def test_arrays_in_any_order_of_memory_and_of_integers(ops: package.Ops) -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 40, (60, 2))
    whole = np.hstack([corners, corners + rng.integers(0, 30, (60, 2))])
    scores = rng.integers(0, 200, 60).astype(np.uint8)
    expected = ops.nms(whole.astype(np.float32), scores.astype(np.float32), 0.4)
    for array in (whole, np.asfortranarray(whole.astype(np.float32)), np.hstack([whole, whole])[:, 4:]):
        np.testing.assert_array_equal(ops.nms(array, scores, 0.4), expected)


@pytest.mark.parametrize("inclusive", [False, True])
def test_both_ways_are_the_same_to_the_bit(inclusive: bool) -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 200, (700, 2))
    array = np.hstack([corners, corners + rng.uniform(0, 90, (700, 2))]).astype(np.float32)
    scores = rng.random(700, np.float32)
    a, b = (ops.nms(array, scores, 0.6, inclusive) for ops in (package.definition(), package.default()))
    np.testing.assert_array_equal(a, b)
    assert 50 < len(a) < 650


@pytest.mark.parametrize(("shape", "scores"), [((3, 5), 3), ((3, 4), 2), ((4,), 1)])
def test_shapes_are_checked(ops: package.Ops, shape: tuple[int, ...], scores: int) -> None:
    with pytest.raises(NetError, match=r"nms takes boxes \[R, 4\] and scores \[R\], not \(.*\) and \(.*\)"):
        ops.nms(np.zeros(shape, np.float32), np.zeros(scores, np.float32), 0.5)


@pytest.mark.skipif(package.numba_problem() is not None, reason="no numba: the definition is right, not fast")
def test_two_thousand_boxes_in_less_than_ten_milliseconds() -> None:
    rng = np.random.default_rng(2)
    corners = rng.uniform(0, 900, (2000, 2))
    array = np.hstack([corners, corners + rng.uniform(5, 100, (2000, 2))]).astype(np.float32)
    scores = rng.random(2000, np.float32)
    nms = package.default().nms
    nms(array, scores, 0.7)
    taken = []
    for _ in range(10):
        start = time.perf_counter()
        nms(array, scores, 0.7)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.01
