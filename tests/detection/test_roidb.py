"""The roidb: regions, overlaps, mirror images, what is left out, and the file that remembers it."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from minicaffe.detection import roidb_cache, selective_search
from minicaffe.detection.boxes import iou
from minicaffe.detection.config import cfg
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.datasets import open_dataset
from minicaffe.detection.proposals import Source, load_proposals, read_proposals
from minicaffe.detection.roidb import Regions, build_roidb, filter_roidb, find_overlaps, recall, upright_roidb
from minicaffe.detection.roidb_cache import cache_path, load_roidb
from minicaffe.errors import DataError
from tests.detection.scenes import dataset, photograph, random_boxes, write_image, write_mat

BIG, SMALL, FAR = (0, 0, 59, 39), (10, 5, 30, 25), (50, 30, 59, 39)


def boxes(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def same(one: list[Regions], other: list[Regions]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.photograph.name, a.flipped) == (b.photograph.name, b.flipped)
        for field in fields(Regions):
            x, y = getattr(a, field.name), getattr(b, field.name)
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(x, y)
                assert x.dtype == y.dtype


class TestOverlaps:
    def test_by_hand(self) -> None:
        objects = boxes((0, 0, 9, 9), (20, 0, 29, 9))
        regions = find_overlaps(
            photograph(), objects, np.array([3, 2]), boxes((0, 0, 9, 19), (25, 0, 34, 9), FAR, (0, 0, 9, 9))
        )
        assert regions.boxes.shape == (6, 4)
        assert regions.gt_classes.tolist() == [3, 2, 0, 0, 0, 0]
        np.testing.assert_allclose(regions.max_overlaps, [1, 1, 0.5, 50 / 150, 0, 1], rtol=1e-6)
        assert regions.max_classes.tolist() == [3, 2, 3, 2, 0, 3]
        assert (regions.boxes.dtype, regions.max_overlaps.dtype, regions.max_classes.dtype) == (
            np.float32, np.float32, np.int64,
        )  # fmt: skip

    def test_against_the_definition(self) -> None:
        rng = np.random.default_rng(3)
        objects, proposals = random_boxes(rng, 5, 60, 40), random_boxes(rng, 300, 60, 40)
        regions = find_overlaps(photograph(), objects, rng.integers(1, 4, 5), proposals)
        table = iou(regions.boxes, objects)
        np.testing.assert_allclose(regions.max_overlaps, table.max(axis=1), rtol=1e-6)
        assert ((regions.max_overlaps == 0) == (regions.max_classes == 0)).all()
        hit = regions.max_classes > 0
        np.testing.assert_array_equal(regions.max_classes[hit], regions.gt_classes[table.argmax(axis=1)[hit]])

    def test_large_coordinates_do_not_wrap(self) -> None:
        regions = find_overlaps(photograph(), boxes((70000, 0, 70009, 9)), np.array([1]), boxes((70000, 0, 70009, 19)))
        assert regions.max_overlaps.tolist() == [1, 0.5]


class TestBuilding:
    @pytest.fixture
    def data(self) -> Dataset:
        return dataset(photograph("a", [BIG, SMALL], [1, 2]), photograph("b", [SMALL], [3]))

    def test_upright_then_mirrored(self, data: Dataset) -> None:
        roidb = build_roidb(data, [boxes(FAR), boxes(SMALL, BIG)])
        assert [(r.photograph.name, r.flipped, len(r)) for r in roidb] == [
            ("a", False, 3), ("b", False, 3), ("a", True, 3), ("b", True, 3),
        ]  # fmt: skip
        assert roidb[2].boxes.tolist() == [[0, 0, 59, 39], [29, 5, 49, 25], [0, 30, 9, 39]]
        assert roidb[2].max_overlaps is roidb[0].max_overlaps
        cfg.TRAIN.USE_FLIPPED = False
        assert len(build_roidb(data, [boxes(FAR), boxes(SMALL)])) == 2

    def test_mirrored_targets_are_not_kept(self, data: Dataset) -> None:
        regions = upright_roidb(data, [boxes(FAR), boxes(SMALL)])[0]
        regions.targets = np.ones((3, 5), np.float32)
        mirrored = regions.mirrored()
        assert mirrored.targets is None
        same([mirrored.mirrored()], [Regions(**vars(regions) | {"targets": None})])

    def test_difficult_objects(self, data: Dataset) -> None:
        data.photographs[0].difficult[0] = True
        assert build_roidb(data, [boxes(FAR), boxes(FAR)])[0].gt_classes.tolist() == [2, 0]
        cfg.TRAIN.USE_DIFFICULT = True
        assert build_roidb(data, [boxes(FAR), boxes(FAR)])[0].gt_classes.tolist() == [1, 2, 0]

    def test_what_has_nothing_to_learn_from(self, data: Dataset) -> None:
        data.photographs[1].difficult[0] = True
        data.photographs += [photograph("c"), photograph("d", [BIG], [1])]
        roidb = upright_roidb(data, [boxes(FAR)] * 3 + [boxes()])
        assert [r.photograph.name for r in roidb] == ["a"]
        assert data.problems == [
            "b: has only difficult objects, nothing to learn from: left out",
            "c: has no objects, nothing to learn from: left out",
            "d: has no proposals: left out",
        ]

    def test_stop(self, data: Dataset) -> None:
        cfg.BAD_DATA = "stop"
        with pytest.raises(DataError, match="b: has no proposals"):
            build_roidb(data, [boxes(FAR), boxes()])

    def test_nothing_is_left(self, data: Dataset) -> None:
        with pytest.raises(DataError, match="of 2 photographs none has both objects and proposals"):
            build_roidb(data, [boxes(), boxes()])

    def test_proposals_for_another_number(self, data: Dataset) -> None:
        with pytest.raises(DataError, match="has 2 photographs; there are proposals for 1"):
            build_roidb(data, [boxes(FAR)])


class TestFilter:
    def entry(self, *overlaps: float) -> Regions:
        count = len(overlaps)
        zeros = np.zeros(count, np.int64)
        return Regions(photograph(), False, np.zeros((count, 4)), zeros, np.array(overlaps, np.float32), zeros)

    @pytest.mark.parametrize(
        ("overlaps", "low", "kept"),
        [((0.5,), 0.1, True), ((0.49,), 0.1, True), ((0.1,), 0.1, True), ((0.09,), 0.1, False), ((0.0,), 0.0, True)],
    )
    def test_thresholds(self, overlaps: tuple, low: float, kept: bool) -> None:
        cfg.TRAIN.BG_THRESH_LO = low
        assert len(filter_roidb([self.entry(*overlaps)])) == kept

    def test_between_foreground_and_background(self) -> None:
        cfg.TRAIN.FG_THRESH = 0.6
        assert filter_roidb([self.entry(0.55)]) == []


def test_recall() -> None:
    data = dataset(photograph("a", [BIG, SMALL], [1, 2]))
    roidb = upright_roidb(data, [boxes((0, 0, 59, 29), FAR)])
    assert (recall(roidb), recall(roidb, 0.8), recall([])) == (0.5, 0, 0)


class TestCache:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Dataset:
        cfg.CACHE_DIR = str(tmp_path / "cache")
        things = [photograph("a", [BIG, SMALL], [1, 2]), photograph("b", [SMALL], [3]), photograph("c")]
        return dataset(*things)

    @pytest.fixture
    def mat(self, tmp_path: Path) -> Path:
        return write_mat(tmp_path / "p.mat", [[FAR, BIG], [(5, 5, 30, 22), (9, 9, 5, 5)], [BIG]])

    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
        """What proposals were read from, each time they were."""
        calls: list[Source] = []

        def read(source: Source, *rest: object) -> list[np.ndarray]:
            calls.append(source)
            return genuine(source, *rest)  # type: ignore[arg-type]

        genuine = roidb_cache.read_proposals
        monkeypatch.setattr(roidb_cache, "read_proposals", read)
        return calls

    def files(self, data: Dataset) -> list[Path]:
        return sorted(Path(cfg.CACHE_DIR).glob(f"{data.name}_*.npz"))

    def test_the_same_again(self, data: Dataset, mat: Path, reads: list) -> None:
        first = load_roidb(data, str(mat))
        problems, data.problems = data.problems, []
        again = load_roidb(data, str(mat))
        assert len(reads) == 1
        same(first, again)
        assert len(first) == 4
        assert data.problems == problems
        assert [problem[:3] for problem in problems] == ["b: ", "c: "]
        assert again[0].photograph is data.photographs[0]
        assert [path.suffix for path in Path(cfg.CACHE_DIR).iterdir()] == [".npz"]

    def test_problems_stop_a_cached_run_too(self, data: Dataset, mat: Path) -> None:
        load_roidb(data, str(mat))
        fresh = Dataset(data.name, data.classes, data.photographs)
        cfg.BAD_DATA = "stop"
        with pytest.raises(DataError, match="b: 1 of 2 proposals with x2 < x1"):
            load_roidb(fresh, str(mat))

    def test_nothing_is_kept_of_a_stopped_run(self, data: Dataset, mat: Path) -> None:
        cfg.BAD_DATA = "stop"
        with pytest.raises(DataError):
            load_roidb(data, str(mat))
        assert self.files(data) == []

    def test_mirroring_is_not_part_of_it(self, data: Dataset, mat: Path, reads: list) -> None:
        assert len(load_roidb(data, str(mat))) == 4
        cfg.TRAIN.USE_FLIPPED = False
        assert len(load_roidb(data, str(mat))) == 2
        assert len(reads) == 1

    @pytest.mark.parametrize(
        "change", ["boxes", "classes", "difficult", "size", "class names", "proposals", "difficult key", "small"]
    )
    def test_every_input_counts(self, data: Dataset, mat: Path, reads: list, change: str) -> None:
        load_roidb(data, str(mat))
        if change == "boxes":
            data.photographs[1].boxes[0, 0] += 1
        elif change == "classes":
            data.photographs[1].classes[0] = 1
        elif change == "difficult":
            data.photographs[0].difficult[0] = True
        elif change == "size":
            data.photographs[0].size = (61, 40)
        elif change == "class names":
            data.classes = ("__background__", "a", "b", "c")
        elif change == "proposals":
            write_mat(mat, [[FAR], [SMALL], [BIG]])
        elif change == "difficult key":
            cfg.TRAIN.USE_DIFFICULT = True
        else:
            cfg.MIN_PROPOSAL_SIZE = 20
        load_roidb(data, str(mat))
        assert len(reads) == 2
        assert len(self.files(data)) == 2

    def test_the_grid_counts(self, data: Dataset) -> None:
        one = cache_path(data, Source("grid"))
        with cfg.overridden({"GRID": {"STEP": 0.3}}):
            assert cache_path(data, Source("grid")) != one
        assert cache_path(data, Source("grid")) == one

    def test_pixels_count_where_boxes_are_computed(self, tmp_path: Path, data: Dataset) -> None:
        data.photographs[0].path = tmp_path / "a.png"
        paths = set()
        for seed in (1, 2):
            write_image(data.photographs[0].path, 60, 40, seed)
            paths.add(cache_path(data, Source("selective_search")))
        assert len(paths) == 2

    def test_computed_once(self, data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        calls = []

        def search(image: np.ndarray) -> np.ndarray:
            calls.append(image.shape)
            return boxes(FAR, BIG)

        monkeypatch.setattr(selective_search, "available", lambda: True)
        monkeypatch.setattr(selective_search, "selective_search", search)
        for i, photo in enumerate(data):
            photo.path = tmp_path / f"{photo.name}.png"
            write_image(photo.path, 60, 40, i)
        same(load_roidb(data), load_roidb(data))
        assert len(calls) == 3
        boxes_again = read_proposals(Source("selective_search"), data)  # as a test of the trained net would
        assert [one.tolist() for one in boxes_again] == [boxes(FAR, BIG).tolist()] * 3
        assert len(calls) == 3
        cfg.USE_CACHE = False
        read_proposals(Source("selective_search"), data)
        assert len(calls) == 6

    @pytest.mark.parametrize("damage", [b"", b"no archive", None])
    def test_a_damaged_file_is_made_again(
        self, data: Dataset, mat: Path, reads: list, damage: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = load_roidb(data, str(mat))
        (path,) = self.files(data)
        path.write_bytes(path.read_bytes()[:200] if damage is None else damage)
        with caplog.at_level(logging.WARNING, "minicaffe"):
            same(load_roidb(data, str(mat)), first)
        assert "is made again" in caplog.text
        assert len(reads) == 2

    def test_without(self, data: Dataset, mat: Path, reads: list) -> None:
        cfg.USE_CACHE = False
        same(load_roidb(data, str(mat)), load_roidb(data, str(mat)))
        assert (len(reads), self.files(data)) == (2, [])

    def test_a_folder_one_cannot_write_to(self, data: Dataset, mat: Path, caplog: pytest.LogCaptureFixture) -> None:
        cfg.CACHE_DIR = str(mat)  # a file
        with caplog.at_level(logging.WARNING, "minicaffe"):
            assert len(load_roidb(data, str(mat))) == 4
        assert "cannot be kept" in caplog.text

    def test_in_the_users_folder(self, data: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        cfg.CACHE_DIR = ""
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        assert cache_path(data, Source("grid")).parent == tmp_path / ".cache" / "minicaffe" / "roidb"


class TestBloodCells:
    def test_built_and_read_again(self, bccd: Path, tmp_path: Path) -> None:
        cfg.CACHE_DIR = str(tmp_path)
        data = open_dataset(f"voc:{bccd}:trainval")
        roidb = load_roidb(data, str(bccd / "selective_search.mat"))
        assert len(roidb) == 584
        assert recall(roidb[:292]) == recall(roidb[292:]) == pytest.approx(0.853, abs=5e-4)
        same(roidb, load_roidb(data, str(bccd / "selective_search.mat")))
        assert len(filter_roidb(roidb)) == 584

    def test_what_the_cache_holds_is_what_is_built(self, bccd: Path, tmp_path: Path) -> None:
        cfg.CACHE_DIR = str(tmp_path)
        data = open_dataset(f"voc:{bccd}:test")
        built = build_roidb(data, load_proposals(bccd / "selective_search.mat", data))
        for _ in range(2):
            same(load_roidb(data, str(bccd / "selective_search.mat")), built)
