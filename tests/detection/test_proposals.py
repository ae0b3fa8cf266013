"""Proposals: files in both layouts, matched by name or order; what is wrong with them; other sources."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from minicaffe.detection import selective_search
from minicaffe.detection.boxes import iou
from minicaffe.detection.config import cfg
from minicaffe.detection.dataset import Dataset
from minicaffe.detection.datasets import open_dataset
from minicaffe.detection.proposal_files import read_boxes
from minicaffe.detection.proposals import Source, choose_source, distinct, load_proposals, read_proposals
from minicaffe.errors import DataError
from tests.detection.scenes import dataset, photograph, write_image, write_mat

BIG, SMALL = (0, 0, 59, 39), (10, 5, 30, 25)


@pytest.fixture
def two() -> Dataset:
    return dataset(photograph("a"), photograph("b"))


class TestMat:
    def test_layout(self, tmp_path: Path, two: Dataset) -> None:
        path = tmp_path / "p.mat"
        cells = np.empty((1, 2), object)
        cells[:] = [[np.array([[5, 3, 21, 31]], np.uint16), np.array([[1, 1, 40, 60], [1, 2, 10, 20]], np.uint16)]]
        savemat(path, {"boxes": cells})
        a, b = load_proposals(path, two)
        assert a.dtype == np.float32
        assert a.tolist() == [[2, 4, 30, 20]]
        assert b.tolist() == [[0, 0, 59, 39], [1, 0, 19, 9]]
        assert two.problems == []

    def test_in_the_order_of_the_image_set(self, tmp_path: Path, two: Dataset) -> None:
        two.listed = ["a", "left out", "b"]
        found = load_proposals(write_mat(tmp_path / "p.mat", [[BIG], [BIG, BIG], [SMALL]]), two)
        assert [boxes.tolist() for boxes in found] == [[list(BIG)], [list(SMALL)]]

    def test_by_name(self, tmp_path: Path, two: Dataset) -> None:
        path = write_mat(tmp_path / "p.mat", [[SMALL], [BIG], [BIG]], ["b", "z", "a.png"])
        assert [boxes.tolist() for boxes in load_proposals(path, two)] == [[list(BIG)], [list(SMALL)]]

    def test_several_files(self, tmp_path: Path, two: Dataset) -> None:
        one, other = write_mat(tmp_path / "1.mat", [[BIG]]), write_mat(tmp_path / "2.mat", [[SMALL]])
        assert load_proposals(f"{one}+{other}", two)[1].tolist() == [list(SMALL)]
        named = write_mat(tmp_path / "3.mat", [[SMALL]], ["a"]), write_mat(tmp_path / "4.mat", [[BIG]], ["b"])
        assert load_proposals("+".join(map(str, named)), two)[1].tolist() == [list(BIG)]

    def test_no_boxes_for_one(self, tmp_path: Path, two: Dataset) -> None:
        found = load_proposals(write_mat(tmp_path / "p.mat", [[BIG], []]), two)
        assert found[1].shape == (0, 4)
        assert two.problems == ["b: has no proposals: left out"]


class TestNpz:
    def test_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "p.npz"
        np.savez(path, **{"7": np.array([BIG], float), "b": np.array([SMALL], np.int32), "other": np.zeros((0, 4))})
        data = dataset(photograph("7", path=Path("x.png")), photograph("8", path=Path("b.png")))
        assert [boxes.tolist() for boxes in load_proposals(path, data)] == [[list(BIG)], [list(SMALL)]]

    def test_a_name_without_boxes(self, tmp_path: Path, two: Dataset) -> None:
        np.savez(tmp_path / "p.npz", a=np.array([BIG]))
        load_proposals(tmp_path / "p.npz", two)
        assert two.problems == ["b: has no proposals: left out"]


class TestAnotherSet:
    def test_another_count(self, tmp_path: Path, two: Dataset) -> None:
        path = write_mat(tmp_path / "p.mat", [[BIG]] * 3)
        with pytest.raises(DataError, match=r"p\.mat: a proposals file of another set: it has the boxes of 3 images"):
            load_proposals(path, two)

    def test_other_names(self, tmp_path: Path, two: Dataset) -> None:
        path = write_mat(tmp_path / "p.mat", [[BIG], [BIG]], ["c", "d"])
        with pytest.raises(DataError, match=r"another set: .* such as 'c', and for none of scenes, such as 'a'"):
            load_proposals(path, two)

    def test_the_count_is_right_but_images_are_smaller(self, tmp_path: Path, two: Dataset) -> None:
        path = write_mat(tmp_path / "p.mat", [[(0, 0, 99, 39)], [BIG]])
        with pytest.raises(DataError, match=r"another set: it has no names, and in 1 of 2 images, such as a"):
            load_proposals(path, two)


class TestBadBoxes:
    ROWS = np.array(
        [BIG, (20, 5, 19, 9), (30, 9, 40, 2), (5, 5, 80, 20), (60, 5, 70, 9), (np.nan, 0, 5, 5), (3, 3, 59.4, 30)]
    )

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        np.savez(tmp_path / "p.npz", a=self.ROWS, b=np.array([BIG]))
        return tmp_path / "p.npz"

    def test_left_out_or_cut_and_named(self, path: Path, two: Dataset) -> None:
        a, _ = load_proposals(path, two)
        assert a.tolist() == [[0, 0, 59, 39], [5, 5, 59, 20], [3, 3, 59, 30]]
        assert two.problems == [
            "a: 3 of 7 proposals with x2 < x1 or y2 < y1: left out; the first is number 2, (20, 5, 19, 9)",
            "a: 1 of 7 proposals outside of the image (60 x 40): left out; the first is number 5, (60, 5, 70, 9)",
            "a: 1 of 7 proposals reaching out of the image (60 x 40): cut; the first is number 4, (5, 5, 80, 20)",
        ]

    def test_stop(self, path: Path, two: Dataset) -> None:
        cfg.BAD_DATA = "stop"
        with pytest.raises(DataError, match=r"a: 3 of 7 proposals with x2 < x1"):
            load_proposals(path, two)

    def test_repeated_and_tiny_ones_go_in_silence(self) -> None:
        boxes = np.array([SMALL, BIG, SMALL, (5, 5, 6, 30), (5, 5, 30, 7), (5, 5, 30, 8)], np.float32)
        assert distinct(boxes, 2).tolist() == [list(SMALL), list(BIG), [5, 5, 30, 8]]


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("p.mat", {"box": np.zeros(3)}, "has no variable 'boxes', but box"),
            ("p.mat", {"boxes": np.zeros((5, 4))}, r"'boxes' is one array \(5, 4\), not a cell"),
            ("p.npz", {"a": np.zeros((5, 3))}, r"the boxes of image 'a' have shape \(5, 3\)"),
            ("p.npz", {"a": np.array([["x"] * 4])}, r"type <U1, not \[P, 4\]"),
            ("p.mat", b"no MATLAB file at all, but long enough to be one" * 9, "cannot be read as a MATLAB file"),
            ("p.npz", b"no archive", "cannot be read"),
            ("p.npz", b"PK\x03\x04 broken off", "cannot be read"),
            ("p.npz", b"", "cannot be read"),
            ("p.txt", b"", r"proposals are read from \.mat and \.npz files"),
        ],
    )
    def test_refused(self, tmp_path: Path, two: Dataset, name: str, content: dict | bytes, message: str) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            (savemat if name.endswith("mat") else np.savez)(
                path, **({"mdict": content} if name.endswith("mat") else content)
            )
        with pytest.raises(DataError, match=message):
            load_proposals(path, two)

    def test_names_and_boxes_that_do_not_match(self, tmp_path: Path, two: Dataset) -> None:
        with pytest.raises(DataError, match="names 2 images, but has the boxes of 3"):
            load_proposals(write_mat(tmp_path / "p.mat", [[BIG]] * 3, ["a", "b"]), two)

    def test_version_7_3(self, tmp_path: Path, two: Dataset) -> None:
        header = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
        (tmp_path / "p.mat").write_bytes(header + bytes(512))
        with pytest.raises(DataError, match=r"version 7\.3: save it with '-v7'"):
            load_proposals(tmp_path / "p.mat", two)

    def test_missing(self, tmp_path: Path, two: Dataset) -> None:
        write_mat(tmp_path / "voc.mat", [[BIG]])
        with pytest.raises(DataError, match=r"proposals '.*vo\.mat' does not exist \(did you mean 'voc\.mat'\?\)"):
            load_proposals(tmp_path / "vo.mat", two)


class TestChoosing:
    def test_given_goes_before_configured(self, tmp_path: Path, two: Dataset) -> None:
        one, other = write_mat(tmp_path / "1.mat", [[BIG]]), write_mat(tmp_path / "2.mat", [[SMALL]])
        cfg.TEST.PROPOSALS = str(one)
        assert choose_source(two, cfg.TEST) == Source("file", (one,))
        assert choose_source(two, cfg.TEST, cfg, str(other)) == Source("file", (other,))

    def test_a_plus_in_a_name(self, tmp_path: Path, two: Dataset) -> None:
        path = write_mat(tmp_path / "a+b.mat", [[BIG], [SMALL]])
        assert choose_source(two, cfg.TRAIN, cfg, str(path)) == Source("file", (path,))

    def test_methods(self, two: Dataset) -> None:
        with cfg.overridden({"TRAIN": {"PROPOSAL_METHOD": "grid"}}):
            assert choose_source(two, cfg.TRAIN) == Source("grid")
        with cfg.overridden({"TRAIN": {"PROPOSAL_METHOD": "gird"}}), pytest.raises(DataError, match="mean 'grid'"):
            choose_source(two, cfg.TRAIN)

    def test_published_files(self, tmp_path: Path, two: Dataset) -> None:
        cfg.DATA_DIR = str(tmp_path)
        two.name = "voc_2007_val+voc_2012_val"
        folder = tmp_path / "selective_search_data"
        folder.mkdir()
        paths = tuple(write_mat(folder / f"{name}.mat", [[BIG]]) for name in two.name.split("+"))
        assert choose_source(two, cfg.TRAIN) == Source("file", paths)

    def test_without_anything_a_grid(
        self, two: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(selective_search, "available", lambda: False)
        with caplog.at_level(logging.WARNING, "minicaffe"):
            source = choose_source(two, cfg.TRAIN)
        assert source == Source("grid")
        assert "minicaffe[ss]" in caplog.text
        monkeypatch.setattr(selective_search, "available", lambda: True)
        assert choose_source(two, cfg.TRAIN) == Source("selective_search")


class TestComputed:
    def test_grid(self, two: Dataset) -> None:
        two.photographs[1].size = (600, 400)
        a, b = read_proposals(Source("grid"), two)
        assert 1 < len(a) < len(b)
        assert b[:, 2].max() == 599
        assert two.problems == []

    def test_searched(self, tmp_path: Path, two: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = write_image(tmp_path / "a.png", 60, 40)
        two.photographs[0].path = tmp_path / "a.png"

        def search(image: np.ndarray) -> np.ndarray:
            np.testing.assert_array_equal(image, pixels)
            return np.array([BIG, SMALL], np.float32)

        monkeypatch.setattr(selective_search, "selective_search", search)
        found = read_proposals(Source("selective_search"), two)
        assert [boxes.tolist() for boxes in found] == [[list(BIG), list(SMALL)], []]
        assert [problem[:9] for problem in two.problems] == ["b: image ", "b: has no"]


class TestGenuine:
    def test_blood_cells(self, bccd: Path) -> None:
        data = open_dataset(f"voc:{bccd}")
        found = load_proposals(bccd / "selective_search.mat", data)
        assert len(data.problems) == 2  # boxes of the annotations, none of the proposals
        assert np.mean([len(boxes) for boxes in found]) == pytest.approx(923.7, abs=0.1)
        best = np.concatenate([iou(boxes, p.boxes).max(axis=0) for p, boxes in zip(data, found, strict=True)])
        assert (best >= 0.5).mean() == pytest.approx(0.8526, abs=1e-4)

    def test_an_image_set_takes_its_part(self, bccd: Path) -> None:
        everything, part = open_dataset(f"voc:{bccd}"), open_dataset(f"voc:{bccd}:test")
        of_name = dict(zip(everything.listed, load_proposals(bccd / "selective_search.mat", everything), strict=True))
        for photo, boxes in zip(part, load_proposals(bccd / "selective_search.mat", part), strict=True):
            np.testing.assert_array_equal(boxes, of_name[photo.name])

    def test_boxes_of_the_demo(self, shared: Path) -> None:
        path = shared / "datasets" / "voc2007_demo" / "000004_boxes.mat"
        if not path.is_file():
            pytest.skip("no ../shared/datasets/voc2007_demo: the demo's photographs are not here")
        boxes = read_boxes(path)
        assert (boxes.shape, boxes.dtype) == ((2888, 4), np.float32)
        assert boxes.max(axis=0).tolist() == [499, 405, 499, 405]
