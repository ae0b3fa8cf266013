"""Targets of the box regression: what the published code computed, and what it leaves undefined."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from minicaffe.detection.boxes import decode, iou
from minicaffe.detection.config import cfg
from minicaffe.detection.roidb import Regions
from minicaffe.detection.sampling import sample_all
from minicaffe.detection.targets import add_targets, bbox_targets, network_form
from minicaffe.errors import DataError
from tests.conftest import GOLDEN
from tests.detection.scenes import photograph, random_roidb

Arrays = dict[str, np.ndarray]


def recorded(name: str) -> tuple[list[Regions], Arrays]:
    with np.load(GOLDEN / "ohem" / f"{name}.npz") as file:
        arrays = dict(file)
    roidb = [
        Regions(
            photograph(str(i), size=(500, 375)),
            False,
            arrays[f"{i}/boxes"],
            arrays[f"{i}/gt_classes"],
            arrays[f"{i}/overlaps"].max(axis=1),
            arrays[f"{i}/overlaps"].argmax(axis=1),
        )
        for i in range(int(arrays["num_images"]))
    ]
    return roidb, arrays


@pytest.mark.parametrize("name", ["roidb_targets", "roidb_precomputed"])
class TestPublished:
    @pytest.fixture
    def prepared(self, name: str) -> tuple[list[Regions], Arrays, np.ndarray, np.ndarray]:
        roidb, arrays = recorded(name)
        cfg.TRAIN.BG_THRESH_LO = 0.0
        cfg.TRAIN.BBOX_NORMALIZE_TARGETS_PRECOMPUTED = bool(arrays["precomputed"])
        return roidb, arrays, *add_targets(roidb, int(arrays["num_classes"]))

    def test_statistics(self, prepared) -> None:
        _, arrays, means, stds = prepared
        assert (means.shape, stds.shape) == ((20,), (20,))
        np.testing.assert_allclose(means, arrays["means"], atol=1e-7)
        np.testing.assert_allclose(stds, arrays["stds"], atol=1e-7)

    def test_tables(self, prepared) -> None:
        roidb, arrays, _, _ = prepared
        for i, regions in enumerate(roidb):
            assert regions.targets.dtype == np.float32
            np.testing.assert_allclose(regions.targets, arrays[f"{i}/bbox_targets_compact"], atol=2e-6)

    def test_all_regions_in_the_form_of_the_network(self, prepared) -> None:
        roidb, arrays, _, _ = prepared
        for i, regions in enumerate(roidb):
            sample = sample_all(regions)
            np.testing.assert_array_equal(sample.labels, arrays[f"{i}/labels"])
            np.testing.assert_array_equal(regions.boxes[sample.indices], arrays[f"{i}/rois"])
            targets, inside, outside = network_form(regions.targets[sample.indices], 5, cfg.TRAIN.BBOX_INSIDE_WEIGHTS)
            np.testing.assert_allclose(targets, arrays[f"{i}/bbox_targets"], atol=2e-6)
            np.testing.assert_array_equal(inside, arrays[f"{i}/bbox_inside_weights"])
            np.testing.assert_array_equal(outside, arrays[f"{i}/bbox_inside_weights"] > 0)


class TestTable:
    def test_which_rows_learn(self) -> None:
        (regions,) = random_roidb(np.random.default_rng(1), 1)
        table = bbox_targets(regions)
        examples = regions.max_overlaps >= 0.5
        assert examples.sum() > 3
        np.testing.assert_array_equal(table[:, 0], np.where(examples, regions.max_classes, 0))
        assert not table[~examples].any()

    def test_they_lead_to_the_object_met_best(self) -> None:
        (regions,) = random_roidb(np.random.default_rng(2), 1)
        table = bbox_targets(regions)
        rows = np.flatnonzero(table[:, 0])
        objects = regions.boxes[regions.gt_classes > 0]
        wanted = objects[iou(regions.boxes[rows], objects).argmax(axis=1)]
        np.testing.assert_allclose(decode(regions.boxes[rows], table[rows, 1:]) - [0, 0, 1, 1], wanted, atol=1e-4)

    def test_threshold(self) -> None:
        (regions,) = random_roidb(np.random.default_rng(1), 1)
        cfg.TRAIN.BBOX_THRESH = 1.0
        assert (bbox_targets(regions)[:, 0] > 0).sum() == (regions.max_overlaps == 1).sum()

    def test_without_objects(self) -> None:
        none = np.zeros(2, np.int64)
        regions = Regions(photograph(), False, np.zeros((2, 4), np.float32), none, np.zeros(2, np.float32), none)
        assert not bbox_targets(regions).any()


class TestNormalising:
    def test_statistics_of_what_is_learnt(self) -> None:
        roidb = random_roidb(np.random.default_rng(3), 12)
        raw = np.concatenate([bbox_targets(regions) for regions in roidb])
        means, stds = add_targets(roidb, 5)
        scaled = np.concatenate([regions.targets for regions in roidb])
        for c in (1, 2, 3):
            rows = raw[:, 0] == c
            np.testing.assert_allclose(means[4 * c : 4 * c + 4], raw[rows, 1:].mean(axis=0), atol=1e-6)
            np.testing.assert_allclose(stds[4 * c : 4 * c + 4], raw[rows, 1:].std(axis=0), atol=1e-6)
            np.testing.assert_allclose(scaled[rows, 1:].mean(axis=0), 0, atol=1e-5)
            np.testing.assert_allclose(scaled[rows, 1:].std(axis=0), 1, atol=1e-4)
        assert not scaled[raw[:, 0] == 0].any()
        for c in (0, 4):  # background, and a class that does not occur
            assert not means[4 * c : 4 * c + 4].any()
            assert not stds[4 * c : 4 * c + 4].any()

    def test_again_is_the_same(self) -> None:
        roidb = random_roidb(np.random.default_rng(3), 4)
        first = add_targets(roidb, 4)
        tables = [regions.targets.copy() for regions in roidb]
        np.testing.assert_array_equal(add_targets(roidb, 4), first)
        for regions, table in zip(roidb, tables, strict=True):
            np.testing.assert_array_equal(regions.targets, table)

    def test_mirror_images_have_opposite_shifts(self) -> None:
        roidb = random_roidb(np.random.default_rng(4), 6)
        means, _ = add_targets([*roidb, *(regions.mirrored() for regions in roidb)], 4)
        np.testing.assert_allclose(means[[4, 8, 12]], 0, atol=1e-7)

    def test_not_at_all(self) -> None:
        roidb = random_roidb(np.random.default_rng(5), 3)
        cfg.TRAIN.BBOX_NORMALIZE_TARGETS = False
        means, stds = add_targets(roidb, 4)
        assert means.any() and stds.any()
        for regions in roidb:
            np.testing.assert_array_equal(regions.targets, bbox_targets(regions))

    def test_given_statistics(self) -> None:
        roidb = random_roidb(np.random.default_rng(6), 2)
        cfg.TRAIN.BBOX_NORMALIZE_TARGETS_PRECOMPUTED = True
        cfg.TRAIN.BBOX_NORMALIZE_MEANS = (0.5, 0, 0, 0)
        means, stds = add_targets(roidb, 4)
        assert means.tolist() == [0.5, 0, 0, 0] * 4
        assert stds.tolist() == [0.1, 0.1, 0.2, 0.2] * 4
        raw = bbox_targets(roidb[0])
        rows = raw[:, 0] > 0
        np.testing.assert_allclose(roidb[0].targets[rows, 1], (raw[rows, 1] - 0.5) / 0.1, rtol=1e-5)

    def test_a_class_that_never_varies(self, caplog: pytest.LogCaptureFixture) -> None:
        regions = Regions(
            photograph(),
            False,
            np.array([[0, 0, 9, 9], [0, 0, 9, 19]], np.float32),
            np.array([2, 0]),
            np.array([1, 0.5], np.float32),
            np.array([2, 2]),
        )
        cfg.TRAIN.BBOX_THRESH = 0.6
        with caplog.at_level(logging.WARNING, "minicaffe"):
            _, stds = add_targets([regions], 3)
        assert stds.tolist() == [0] * 8 + [1] * 4
        assert np.isfinite(regions.targets).all()
        assert "class(es) [2] do not vary" in caplog.text

    def test_more_classes_than_there_are(self) -> None:
        with pytest.raises(DataError, match="an object of class 3, but there are only 2 classes"):
            add_targets(random_roidb(np.random.default_rng(7), 9), 2)

    def test_nothing(self) -> None:
        with pytest.raises(DataError, match="the roidb is empty"):
            add_targets([], 2)


def test_network_form() -> None:
    table = np.array([[2, 1, 2, 3, 4], [0, 9, 9, 9, 9], [1, 5, 6, 7, 8]], np.float32)
    targets, inside, outside = network_form(table, 3, (1, 0, 0.5, 2))
    zeros = [0] * 4
    assert targets.tolist() == [[*zeros, *zeros, 1, 2, 3, 4], [0] * 12, [*zeros, 5, 6, 7, 8, *zeros]]
    assert inside.tolist() == [[*zeros, *zeros, 1, 0, 0.5, 2], [0] * 12, [*zeros, 1, 0, 0.5, 2, *zeros]]
    assert outside.tolist() == [[*zeros, *zeros, 1, 0, 1, 1], [0] * 12, [*zeros, 1, 0, 1, 1, *zeros]]
    assert {array.dtype for array in (targets, inside, outside)} == {np.dtype(np.float32)}
