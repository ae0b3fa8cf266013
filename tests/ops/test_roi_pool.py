"""ROI pooling: against loops over pixels, at ties of rounding, off the map, malformed, out of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicaffe import ops as package
from minicaffe.errors import NetError
from minicaffe.ops.roi_pool import roi_cells
from tests.ops import naive
from tests.ops.test_im2col import drawn, few

coordinate = st.one_of(st.integers(-20, 200), st.sampled_from([8.0, 24.0, -8.0, 7.999, 40.0, 56.0]))


@st.composite
def rois(draw: st.DrawFn, images: int = 2) -> list[list[float]]:
    boxes = draw(st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=5))
    return [[draw(st.integers(0, images - 1)), *box] for box in boxes]


@few
@given(
    rois(), st.tuples(st.integers(1, 4), st.integers(1, 7)), st.booleans(), st.sampled_from([np.float32, np.float64])
)
def test_agrees_with_loops(
    ops: package.Ops, rois: list[list[float]], pooled: tuple[int, int], spread: bool, dtype: Any
) -> None:
    boxes = np.array(rois, dtype).reshape(-1, 5)
    x = np.round(2 * drawn((2, 3, 8, 11), dtype, spread=spread))
    dy = drawn((len(boxes), 3, *pooled), dtype, 1, spread)
    expected, gradient = naive.roi_pool(x, boxes, pooled, 1 / 16, dy)
    y, dx = np.empty(dy.shape, dtype), drawn(x.shape, dtype, 2)
    ops.roi_pool(x, boxes, pooled, 1 / 16, y)
    np.testing.assert_array_equal(y, expected)
    ops.roi_pool_backward(x, boxes, dy, 1 / 16, dx)
    np.testing.assert_allclose(dx, gradient, atol=1e-5)


def test_the_gradient_is_the_same_every_time_and_in_both_ways() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    corners = rng.uniform(0, 150, (40, 2))
    boxes = np.hstack([rng.integers(0, 2, (40, 1)), corners, corners + rng.uniform(-20, 90, (40, 2))]).astype(
        np.float32
    )
    x, dy = drawn((2, 130, 10, 12), np.float32), drawn((40, 130, 7, 7), np.float32, 1)
    results = []
    for ops in (package.definition(), package.default(), package.default()):
        y, dx = np.empty_like(dy), np.empty_like(x)
        ops.roi_pool(x, boxes, (7, 7), 1 / 16, y)
        ops.roi_pool_backward(x, boxes, dy, 1 / 16, dx)
        results.append((y, dx))
    for y, dx in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(dx, results[0][1])


def test_coordinates_round_half_away_from_zero() -> None:
    boxes = np.array([[0, 8, 24, 40, 56], [0, -8, -24, 7.9999995, 8]], np.float32)
    assert roi_cells(boxes, (1, 1), 1 / 16, (1, 1, 9, 9)).box.tolist() == [[1, 2, 3, 4], [-1, -2, 0, 1]]


def test_a_box_that_ends_before_it_begins_pools_but_passes_no_gradient(ops: package.Ops) -> None:
    x = drawn((1, 2, 6, 6), np.float32)
    boxes = np.array([[0, 3, 3, 1, 1]], np.float32)
    y, dx = np.empty((1, 2, 1, 1), np.float32), np.empty_like(x)
    ops.roi_pool(x, boxes, (1, 1), 1.0, y)
    assert (y[0, :, 0, 0] == x[0, :, 3, 3]).all()
    ops.roi_pool_backward(x, boxes, np.ones_like(y), 1.0, dx)
    assert not dx.any()


def test_nan_is_never_picked(ops: package.Ops) -> None:
    x = np.array([[[[np.nan, 1], [3, np.nan]]]], np.float32)
    boxes = np.array([[0, 0, 0, 1, 1]], np.float32)
    y, dx = np.empty((1, 1, 1, 1), np.float32), np.empty_like(x)
    ops.roi_pool(x, boxes, (1, 1), 1.0, y)
    ops.roi_pool_backward(x, boxes, np.ones_like(y), 1.0, dx)
    assert (y.item(), dx[0, 0].tolist()) == (3, [[0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("roi", "words"),
    [
        ([2, 0, 0, 1, 1], r"roi 1 .*names image 2, but the batch holds 0 to 1"),
        ([-1, 0, 0, 1, 1], r"roi 1 .*names image -1"),
        ([0, 0, np.nan, 1, 1], r"roi 1 is not finite"),
        ([0, 0, 0, np.inf, 1], r"roi 1 is not finite"),
    ],
)
def test_rois_are_checked(ops: package.Ops, roi: list[float], words: str) -> None:
    x = np.zeros((2, 1, 4, 4), np.float32)
    boxes = np.array([[0, 0, 0, 1, 1], roi], np.float32)
    with pytest.raises(NetError, match=words):
        ops.roi_pool(x, boxes, (1, 1), 1.0, np.empty((2, 1, 1, 1), np.float32))


def test_coordinates_beyond_all_measure_are_held_where_integers_reach(ops: package.Ops) -> None:
    x, y = np.ones((1, 1, 4, 4), np.float32), np.empty((1, 1, 2, 2), np.float32)
    ops.roi_pool(x, np.array([[0, -3e38, -3e38, 3e38, 3e38]], np.float32), (2, 2), 1.0, y)
    assert y.tolist() == [[[[0, 0], [0, 1]]]]  # the map lies wholly in the last cell
