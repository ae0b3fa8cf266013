"""Minibatches: pixels of the image blob, scales, and regions in its coordinates."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minicaffe.detection.boxes import iou
from minicaffe.detection.config import cfg
from minicaffe.detection.image_blob import (
    blob_shape,
    image_blob,
    image_scale,
    pyramid,
    read_photograph,
    resize_by,
    resize_by_linear,
)
from minicaffe.detection.minibatch import minibatch, top_names
from minicaffe.detection.proposal_files import read_boxes
from minicaffe.detection.roidb import find_overlaps
from minicaffe.detection.targets import add_targets, bbox_targets
from minicaffe.detection.voc import VOC_CLASSES
from minicaffe.errors import DataError
from tests.detection.scenes import on_disk, photograph, random_roidb, write_image

MEANS = np.array([102.9801, 115.9465, 122.7717])


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestScale:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((375, 500), 1.6),
            ((500, 375), 1.6),
            ((600, 1000), 1.0),
            ((600, 1001), 1000 / 1001),
            ((300, 500), 2.0),
            ((300, 2000), 0.5),
            ((600, 1000.4), 1.0),  # rounds to 1000 pixels
        ],
    )
    def test_shorter_side_600_longer_1000(self, size: tuple, expected: float) -> None:
        assert image_scale(size, 600, 1000) == expected


class TestResizing:
    @settings(deadline=None, max_examples=40)
    @given(st.integers(2, 40), st.integers(2, 40), st.floats(0.2, 3))
    @example(2, 2, 0.75)
    @example(9, 1, 0.2)
    def test_both_implementations(self, height: int, width: int, factor: float) -> None:
        cv2 = pytest.importorskip("cv2")
        assert cv2.__version__
        image = rng().uniform(-120, 150, (height, width, 3)).astype(np.float32)
        ours, theirs = resize_by_linear(image, factor), resize_by(image, factor)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=0.02)

    def test_pixels_come_from_where_the_factor_says(self) -> None:
        ramp = np.repeat(np.arange(333, dtype=np.float32)[:, None, None], 5, axis=1).repeat(3, axis=2)
        factor = 500 / 333 * 1.001
        scaled = resize_by_linear(ramp, factor)
        inside = (np.arange(len(scaled)) + 0.5) / factor - 0.5
        np.testing.assert_allclose(scaled[:, 2, 0], inside.clip(0, 332), atol=1e-3)

    def test_without_opencv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = rng().uniform(0, 255, (9, 7, 3)).astype(np.float32)
        monkeypatch.setitem(sys.modules, "cv2", None)
        np.testing.assert_array_equal(resize_by(image, 1.7), resize_by_linear(image, 1.7))


class TestBlob:
    def test_one_image_as_it_is(self) -> None:
        image = rng().integers(0, 256, (6, 9, 3), np.uint8)
        blob = image_blob([image], [1.0], MEANS)
        assert (blob.shape, blob.dtype) == ((1, 3, 6, 9), np.float32)
        np.testing.assert_allclose(blob[0].transpose(1, 2, 0), image - MEANS, atol=1e-4)

    def test_padding_is_zero_below_and_to_the_right(self) -> None:
        images = [np.full((4, 8, 3), 200, np.uint8), np.full((6, 3, 3), 200, np.uint8)]
        out = np.full((2, 3, 9, 12), np.nan, np.float32)
        blob = image_blob(images, [1.5, 1.0], MEANS, out)
        assert blob is out
        assert blob_shape(images, [1.5, 1.0]) == (2, 3, 6, 12)
        np.testing.assert_allclose(
            blob[0, :, :6, :12], (200 - MEANS)[:, None, None].repeat(6, 1).repeat(12, 2), atol=1e-4
        )
        assert not blob[0, :, 6:].any()
        assert not blob[1, :, 6:].any() and not blob[1, :, :, 3:].any()
        assert np.isfinite(blob).all()

    def test_pyramid(self) -> None:
        image = rng().integers(0, 256, (20, 30, 3), np.uint8)
        blob, factors = pyramid(image, MEANS, (40, 20, 60), 80)
        assert factors.tolist() == [2, 1, 80 / 30]
        assert blob.shape == (3, 3, 53, 80)
        np.testing.assert_array_equal(blob[1, :, :20, :30], image_blob([image], [1.0], MEANS)[0])


class TestReading:
    def test_mirrored(self, tmp_path: Path) -> None:
        one = photograph("a", path=tmp_path / "a.png")
        pixels = write_image(one.path, 60, 40)
        np.testing.assert_array_equal(read_photograph(one), pixels)
        np.testing.assert_array_equal(read_photograph(one, flipped=True), pixels[:, ::-1])

    def test_another_size_than_annotated(self, tmp_path: Path) -> None:
        one = photograph("a", path=tmp_path / "a.png")
        write_image(one.path, 40, 60)
        with pytest.raises(DataError, match=r"a\.png' is 40 x 60 pixels, its annotation says 60 x 40"):
            read_photograph(one)

    def test_no_image(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"text")
        with pytest.raises(DataError, match="cannot be decoded"):
            read_photograph(photograph("a", path=tmp_path / "a.png"))


class TestMinibatch:
    @pytest.fixture(autouse=True)
    def small(self) -> None:
        cfg.merge_dict({"TRAIN": {"SCALES": [80], "MAX_SIZE": 100, "BATCH_SIZE": 16, "BG_THRESH_LO": 0.0}})

    @pytest.fixture
    def roidb(self, tmp_path: Path) -> list:
        roidb = random_roidb(rng(), 4)
        on_disk(tmp_path, roidb)
        add_targets(roidb, 4)
        return roidb

    def test_tops(self, roidb: list) -> None:
        tops = minibatch(roidb[:2], 4, cfg, rng())
        assert list(tops) == list(top_names(cfg))
        assert tops["data"].shape == (2, 3, 67, 100)  # 40 x 60 by 100 / 60
        count = len(tops["labels"])
        assert tops["rois"].shape == (count, 5)
        assert all(tops[name].shape == (count, 16) for name in list(tops)[3:])
        assert {top.dtype for top in tops.values()} == {np.dtype(np.float32)}
        assert np.bincount(tops["rois"][:, 0].astype(int)).tolist() == [8, 8]
        assert (tops["labels"] > 0).sum() == 4

    def test_regions_in_pixels_of_the_blob(self, roidb: list) -> None:
        tops = minibatch(roidb[:1], 4, cfg, rng())
        known = {tuple(np.float32(box.astype(np.float64) * (100 / 60))) for box in roidb[0].boxes}
        assert {tuple(roi[1:]) for roi in tops["rois"]} <= known

    def test_labels_and_targets_belong_to_the_regions(self, roidb: list) -> None:
        cfg.TRAIN.USE_OHEM = True
        (one,) = roidb[:1]
        tops = minibatch([one], 4, cfg, rng())
        foreground = int((one.max_overlaps >= 0.5).sum())
        assert len(tops["labels"]) == len(one)
        order = np.argsort(one.max_overlaps < 0.5, kind="stable")
        np.testing.assert_allclose(tops["rois"][:, 1:], one.boxes[order] * (100 / 60), rtol=1e-6)
        np.testing.assert_array_equal(tops["labels"][:foreground], one.max_classes[order][:foreground])
        assert not tops["labels"][foreground:].any()
        for row, label, table in zip(tops["bbox_targets"], tops["labels"].astype(int), one.targets[order], strict=True):
            np.testing.assert_array_equal(row[4 * label : 4 * label + 4], table[1:] if label else np.zeros(4))
        weights = tops["bbox_inside_weights"].reshape(-1, 4, 4)
        assert (weights.sum(axis=(1, 2)) == np.where(tops["labels"] > 0, 4, 0)).all()

    def test_a_mirrored_photograph(self, roidb: list) -> None:
        upright, mirrored = roidb[0], roidb[0].mirrored()
        mirrored.targets = upright.targets
        cfg.merge_dict({"TRAIN": {"SCALES": [40], "USE_OHEM": True}})
        a, b = (minibatch([one], 4, cfg, rng()) for one in (upright, mirrored))
        np.testing.assert_array_equal(a["data"], b["data"][:, :, :, ::-1])
        np.testing.assert_array_equal(a["rois"][:, 1], 59 - b["rois"][:, 3])

    def test_scales_are_drawn(self, roidb: list) -> None:
        cfg.TRAIN.SCALES = (20, 40, 60)
        generator = rng()
        heights = [minibatch(roidb[:1], 4, cfg, generator)["data"].shape[2] for _ in range(30)]
        assert set(heights) == {20, 40, 60}

    def test_each_image_has_its_scale(self, roidb: list) -> None:
        cfg.TRAIN.SCALES = (20, 60)
        generator = rng()
        seen = set()
        for _ in range(20):
            data = minibatch(roidb[:2], 4, cfg, generator)["data"]
            seen.add(tuple((plane != 0).any(axis=(0, 2)).sum() for plane in data))
        assert seen == {(20, 20), (20, 60), (60, 20), (60, 60)}

    def test_without_regression(self, roidb: list) -> None:
        cfg.TRAIN.BBOX_REG = False
        roidb[0].targets = None
        assert list(minibatch(roidb[:1], 4, cfg, rng())) == ["data", "rois", "labels"]

    def test_the_same_numbers_again(self, roidb: list) -> None:
        one, other = (minibatch(roidb[:2], 4, cfg, rng(5)) for _ in range(2))
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])

    def test_without_targets(self, roidb: list) -> None:
        roidb[0].targets = None
        with pytest.raises(DataError, match=r"p0: has no bbox targets yet: call add_targets"):
            minibatch(roidb[:1], 4, cfg, rng())

    def test_without_a_region_to_draw(self, roidb: list) -> None:
        cfg.merge_dict({"TRAIN": {"FG_THRESH": 2.0, "BG_THRESH_HI": 0.0}})
        with pytest.raises(DataError, match="p0, p1: no region is foreground or background"):
            minibatch(roidb[:2], 4, cfg, rng())


class TestPhotographsOfTheDemo:
    """Two photographs of VOC2007 with the Selective Search boxes that the published demo came with."""

    @pytest.fixture
    def demo(self, shared: Path) -> Path:
        folder = shared / "datasets" / "voc2007_demo"
        if not folder.is_dir():
            pytest.skip("no ../shared/datasets/voc2007_demo: the demo's photographs are not here")
        return folder

    @pytest.mark.parametrize(
        ("name", "size", "shape", "met"),
        [("000004", (500, 406), (600, 739), 2), ("001551", (500, 375), (600, 800), 3)],
    )
    def test_all_regions(self, demo: Path, name: str, size: tuple, shape: tuple, met: int) -> None:
        truth = json.loads((demo / "gt_from_pascal_test2007_json.json").read_text())[f"{name}.jpg"]
        things = [(label, (x, y, x + w - 1, y + h - 1)) for label, (x, y, w, h), _ in truth]
        classes = [VOC_CLASSES.index(label) + 1 for label, _ in things]
        one = photograph(name, [box for _, box in things], classes, path=demo / f"{name}.jpg", size=size)
        proposals = read_boxes(demo / f"{name}_boxes.mat")
        regions = find_overlaps(one, one.boxes, one.classes, proposals)
        best = iou(proposals, one.boxes).max(axis=0)
        assert (best >= 0.5).sum() >= met
        regions.targets = bbox_targets(regions)
        cfg.merge_dict({"TRAIN": {"USE_OHEM": True, "BG_THRESH_LO": 0.0}})
        tops = minibatch([regions], 21, cfg, rng())
        assert tops["data"].shape == (1, 3, *shape)
        assert abs(float(tops["data"].mean())) < 80
        assert tops["rois"].shape == (len(things) + len(proposals), 5)
        assert (tops["rois"][:, (3, 4)] <= (shape[1], shape[0])).all()
        assert set(tops["labels"].astype(int)) <= {0, *classes}
        assert tops["bbox_targets"].shape == (len(regions), 84)
