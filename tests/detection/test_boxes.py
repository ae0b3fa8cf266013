"""Boxes: overlaps counted pixel by pixel, targets there and back, mirroring, duplicates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicaffe.detection import boxes as geometry
from minicaffe.detection import legacy_boxes
from tests.detection.scenes import random_boxes

edges = st.tuples(*[st.integers(0, 15)] * 4)
some_boxes = st.lists(edges, min_size=1, max_size=6).map(
    lambda rows: np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in rows], np.float32)
)


def painted(box: np.ndarray) -> np.ndarray:
    """The box on a sheet of 16 x 16 pixels."""
    x1, y1, x2, y2 = box.astype(int)
    sheet = np.zeros((16, 16), bool)
    sheet[y1 : y2 + 1, x1 : x2 + 1] = True
    return sheet


class TestOverlap:
    @settings(deadline=None, max_examples=40)
    @given(some_boxes, some_boxes)
    def test_counts_pixels(self, a: np.ndarray, b: np.ndarray) -> None:
        ours = geometry.iou(a, b)
        assert ours.shape == (len(a), len(b))
        for i, one in enumerate(a):
            for j, other in enumerate(b):
                both, either = painted(one) & painted(other), painted(one) | painted(other)
                assert ours[i, j] == pytest.approx(both.sum() / either.sum())

    def test_nothing_with_something(self) -> None:
        assert geometry.iou(np.zeros((0, 4), np.float32), np.zeros((3, 4), np.float32)).shape == (0, 3)


class TestTargets:
    def test_by_hand(self) -> None:
        box, wanted = np.array([[10.0, 20, 19, 39]]), np.array([[12.0, 20, 31, 29]])  # 10 x 20, then 20 x 10
        moved = geometry.encode(box, wanted)
        np.testing.assert_allclose(moved, [[(22 - 15) / 10, (25 - 30) / 20, np.log(2), np.log(0.5)]])

    def test_decoding_is_encoding_backwards_but_for_the_last_pixel(self) -> None:
        rng = np.random.default_rng(1)
        boxes, wanted = random_boxes(rng, 50, 200, 100), random_boxes(rng, 50, 200, 100)
        back = geometry.decode(boxes.astype(np.float64), geometry.encode(boxes.astype(np.float64), wanted))
        np.testing.assert_allclose(back, wanted + [0, 0, 1, 1], atol=1e-9)

    def test_every_class_has_its_own(self) -> None:
        boxes = np.array([[0, 0, 9, 9], [10, 10, 29, 19]], np.float32)
        deltas = np.zeros((2, 12), np.float32)
        deltas[:, 4] = 0.5  # class 1 moves right by half a width
        out = geometry.decode(boxes, deltas)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out[:, 0:4], [[0, 0, 10, 10], [10, 10, 30, 20]])
        np.testing.assert_allclose(out[:, 4:8], [[5, 0, 15, 10], [20, 10, 40, 20]])


def test_clip() -> None:
    boxes = np.array([[-5, -1, 70, 80, 3, 4, 5, 6]], np.float32)
    np.testing.assert_array_equal(geometry.clip(boxes, 40, 60), [[0, 0, 59, 39, 3, 4, 5, 6]])
    assert boxes[0, 0] == -5


class TestFlip:
    @settings(deadline=None, max_examples=30)
    @given(some_boxes)
    def test_mirrors_pixels(self, boxes: np.ndarray) -> None:
        for box, mirrored in zip(boxes, geometry.flip(boxes, 16), strict=True):
            np.testing.assert_array_equal(painted(mirrored), painted(box)[:, ::-1])

    def test_twice_is_not_at_all(self) -> None:
        boxes = random_boxes(np.random.default_rng(2), 20, 500, 300)
        np.testing.assert_array_equal(geometry.flip(geometry.flip(boxes, 500), 500), boxes)


class TestDuplicates:
    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 0.4, 1.0, 1.4, 2.6])] * 4), max_size=12))
    def test_the_first_stays(self, rows: list[tuple[float, ...]]) -> None:
        boxes = np.array(rows, np.float32).reshape(-1, 4)
        seen: list[tuple[float, ...]] = []
        expected = []
        for i, row in enumerate(np.round(boxes) + 0.0):
            if tuple(row) not in seen:
                expected.append(i)
                seen.append(tuple(row))
        assert geometry.first_of_equal(boxes).tolist() == expected

    def test_small_ones(self) -> None:
        boxes = np.array([[0, 0, 2, 3], [0, 0, 2, 2], [0, 0, 1, 9], [5, 5, 7, 8]], np.float32)
        assert geometry.large_enough(boxes, 2).tolist() == [0, 3]


class TestPublishedNames:
    boxes = np.array([[0, 0, 9, 9], [1, 0, 9, 9], [20, 20, 39, 29]], np.float32)

    def test_transform_and_overlap(self) -> None:
        deltas = legacy_boxes.bbox_transform(self.boxes, self.boxes)
        np.testing.assert_array_equal(deltas, np.zeros((3, 4)))
        moved = legacy_boxes.bbox_transform_inv(self.boxes, deltas)
        np.testing.assert_allclose(legacy_boxes.clip_boxes(moved, (25, 30, 3))[2], [20, 20, 29, 24])
        np.testing.assert_allclose(legacy_boxes.bbox_overlaps(self.boxes, self.boxes[:1])[:, 0], [1, 0.9, 0])

    def test_suppression(self) -> None:
        dets = np.column_stack([self.boxes, [0.3, 0.8, 0.5]]).astype(np.float32)
        assert legacy_boxes.nms(dets, 0.5) == [1, 2]
        assert legacy_boxes.nms(dets, 0.95, force_cpu=True) == [1, 2, 0]
        assert legacy_boxes.nms(np.zeros((0, 5), np.float32), 0.5) == []
